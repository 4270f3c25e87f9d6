# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    CallbackError,
    ConfigurationError,
    OriginError,
    RequestRefusedError,
    SubmitError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols import Headers, HttpResponse, JobHandle, JobState
from airflow_async_provider.protocols._callback_rules import CallbackRule
from airflow_async_provider.protocols._open_connectors.protocol import (
    ASYNC_HEADER,
    CALLBACK_HEADER,
    DEFAULT_FAILURE_RULE,
    SIGNATURE,
    OpenConnectorsProtocol,
)
from airflow_async_provider.protocols._open_connectors.queue import (
    OpenConnectorsQueueProtocol,
    queued_webhooks,
)
from airflow_async_provider.protocols._open_connectors.responses import (
    identifier,
    is_limit,
    platform_error,
    raise_for_platform_answer,
)

PROTOCOL = OpenConnectorsProtocol()
CALLBACK = "https://airflow.example.com/async/cb/dag/task/c2VjcmV0LXNlY3JldDE"
#: the webhook of the vendor's page "Asynchronous API Requests"
PAGE = {
    "eventId": 1028,
    "instanceId": 30,
    "response": {
        "events": [
            {
                "path": "/testfoldercopy",
                "metadata": {"path": "/TestFolderCopy", "name": "TestFolderCopy", "type": "folder"},
            },
            {
                "path": "/testfoldercopy/testuploadfile.txt",
                "metadata": {
                    "path": "/TestFolderCopy/testUploadFile.txt",
                    "name": "testUploadFile.txt",
                    "type": "file",
                },
            },
        ]
    },
    "notificationId": 1084,
}


def answer(status: int = 200, body: object = None, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, Headers({k.replace("_", "-"): v for k, v in headers.items()}), raw, 1000.0)


def webhook(body: object, protocol: OpenConnectorsProtocol = PROTOCOL, **headers: str):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return protocol.read_callback(Headers({k.replace("_", "-"): v for k, v in headers.items()}), raw)


# -- submitting -------------------------------------------------------------------------------------------


def test_the_request_carries_the_two_headers_of_the_vendor_s_page():
    request = PROTOCOL.submit(
        "post",
        "hubs/documents/folders/copy",
        callback_url=CALLBACK,
        params={"path": "/TestFolderCreate"},
        json={"path": "/testfoldercopy", "name": "TestFolderCopy"},
        headers={"X-Other": "1"},
    )
    assert (request.method, request.url) == ("POST", "hubs/documents/folders/copy")
    assert request.params == {"path": "/TestFolderCreate"}
    assert request.headers == {"X-Other": "1", ASYNC_HEADER: "True", CALLBACK_HEADER: CALLBACK}
    assert request.repeatable is False
    assert "c2VjcmV0" not in repr(request)


def test_only_a_get_may_be_repeated():
    for method, repeatable in (("GET", True), ("PUT", False), ("DELETE", False), ("PATCH", False)):
        assert PROTOCOL.submit(method, "x", callback_url=CALLBACK).repeatable is repeatable


def test_other_bodies_go_out_as_they_are():
    assert PROTOCOL.submit("POST", "x", callback_url=CALLBACK, data="ü").body == "ü".encode()
    assert PROTOCOL.submit("POST", "x", callback_url=CALLBACK, data=b"\x00").body == b"\x00"


@pytest.mark.parametrize(
    "arguments",
    [
        {"json": {}, "data": "x"},
        {"headers": {"authorization": "User x, Element y"}},
        {"headers": {"Elements-Async-Callback-Url": "https://elsewhere.example.com"}},
        {"headers": {"ELEMENTS-ASYNC-REQUEST": "False"}},
        {"callback_url": ""},
        {"callback_url": "/formulas/instances/3/executions"},
        {"callback_url": "ftp://airflow.example.com"},
        {"callback_url": "https:///no-host"},
        {"callback_url": "https://[broken"},
        {"callback_url": "https://airflow.example.com/a\r\nX-Evil: 1"},
        {"callback_url": "https://airflow.example.com/ü"},
    ],
)
def test_what_cannot_be_sent_is_refused_before_it_is(arguments):
    with pytest.raises(ConfigurationError):
        PROTOCOL.submit("POST", "x", **{"callback_url": CALLBACK, **arguments})


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("event_id", [1028, "1028", 1028.0, " 1028 "])
def test_any_2xx_with_an_event_id_is_a_job(status, event_id):
    submitted = PROTOCOL.read_submit(answer(status, {"eventId": event_id, "eventStatus": "dispatched"}))
    assert submitted.status is None
    assert submitted.handle == JobHandle("open_connectors", "1028", 1000.0)
    assert JobHandle.from_dict(json.loads(json.dumps(submitted.handle.to_dict()))) == submitted.handle


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"OK", {"eventId": None}, {"eventId": True}, {"eventId": ""}]
)
def test_a_2xx_without_an_event_id_is_said_to_be_ambiguous(body):
    with pytest.raises(UnreadableAnswerError, match="carried this one out at once"):
        PROTOCOL.read_submit(answer(200, body))


def test_the_rules_travel_in_the_handle():
    protocol = OpenConnectorsProtocol(failure_rule=["a", ("b", "c==d")], success_rule=["done==true"])
    handle = protocol.read_submit(answer(200, {"eventId": 1})).handle
    assert handle.options == {"failure_rule": ["a", ["b", "c==d"]], "success_rule": ["done==true"]}
    again = OpenConnectorsProtocol(**JobHandle.from_dict(json.loads(json.dumps(handle.to_dict()))).options)
    assert again.options() == protocol.options()


PROVIDER_ERROR = {
    "message": "Failed to upload file. File with the same name already exists.",
    "requestId": "53dbca9430045c016b46566c",
    "providerMessage": "Item with the same name already exists",
}


def test_a_refusal_shows_all_three_texts():
    with pytest.raises(SubmitError) as caught:
        PROTOCOL.read_submit(answer(409, PROVIDER_ERROR))
    for part in PROVIDER_ERROR.values():
        assert part in str(caught.value)
    assert caught.value.request_id == "53dbca9430045c016b46566c"
    assert caught.value.http_status == 409


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AuthenticationError),
        (403, AuthorizationError),
        (404, SubmitError),
        (415, SubmitError),
        (500, TransientError),
        (502, TransientError),
        (302, OriginError),
        (700, UnreadableAnswerError),
    ],
)
def test_refusals_by_status(status, error):
    with pytest.raises(error) as caught:
        PROTOCOL.read_submit(answer(status, {"requestId": "r1", "message": "no"}))
    assert caught.value.http_status == status


def test_there_is_no_status_and_no_cancel():
    handle = JobHandle("open_connectors", "1028", 0.0)
    assert OpenConnectorsProtocol.pollable is False
    with pytest.raises(ConfigurationError, match="1028"):
        PROTOCOL.status(handle)
    with pytest.raises(ConfigurationError):
        PROTOCOL.read_status(handle, answer())
    assert PROTOCOL.cancel(handle) is None
    assert PROTOCOL.find("x") is None


# -- answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "File size exceeds the maximum of 6 GB",
        "The payload is too large",
        "Request timed out after 3600 seconds",
        "upload time limit reached",
        "more than 5MB",
    ],
)
def test_a_429_that_stands_for_a_limit_is_not_tried_again(message):
    response = answer(429, {"requestId": "r", "message": message})
    assert is_limit(response)
    with pytest.raises(RequestRefusedError, match="Trying again does not help") as caught:
        raise_for_platform_answer(response, job="j", doing="d")
    assert not isinstance(caught.value, TransientError)
    with pytest.raises(SubmitError):
        PROTOCOL.read_submit(response)


@pytest.mark.parametrize(
    "response",
    [
        answer(429, {"message": "Too many requests"}),
        answer(429, {"message": "rate limit: 100 executions per minute, payload of any size"}),
        answer(429, b""),
        answer(429, {"message": "size"}, Retry_After="7"),
    ],
)
def test_any_other_429_is_worth_another_try(response):
    with pytest.raises(TransientError) as caught:
        raise_for_platform_answer(response, job="j", doing="d")
    assert caught.value.retry_after == (7.0 if "Retry-After" in response.headers else None)


def test_a_413_is_a_limit():
    assert is_limit(answer(413, b""))
    assert not is_limit(answer(400, {"message": "size"}))


@pytest.mark.parametrize("status", [200, 204])
def test_success_raises_nothing(status):
    raise_for_platform_answer(answer(status, b""), job="j", doing="d")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"requestId": "5b04", "message": "No account"}, "message: 'No account', requestId: 5b04"),
        ({"providerMessage": "nope"}, "providerMessage: 'nope'"),
        ({"message": {"a": 1}, "requestId": 7}, "requestId: 7"),
        (b"<html>  gate\nway</html>", "message: '<html> gate way</html>'"),
        (b"", ""),
        ([], "message: '[]'"),
    ],
)
def test_error_bodies_in_words(body, words):
    text = str(platform_error(answer(400, body)))
    assert text == words or text.endswith(words)


def test_the_request_id_may_stand_in_a_header():
    assert platform_error(answer(500, b"", Elements_Request_Id="h1")).request_id == "h1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12345678901234567890, "12345678901234567890"),
        ("12345678901234567890", "12345678901234567890"),
        (42114492.0, "42114492"),
        ("42114492.0", "42114492"),
        ("42114492.05", "42114492.05"),
        ("v1.0", "v1.0"),
        (1.5, None),
        (float("inf"), None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ("", None),
        (" ", None),
        ("a\nb", None),
        ("x" * 201, None),
        (10**40, None),
        ([], None),
        ({}, None),
    ],
)
def test_ids_are_compared_as_text(value, text):
    assert identifier(value) == text


# -- webhooks ---------------------------------------------------------------------------------------------


def test_the_webhook_of_the_vendor_s_page_is_a_success():
    status = webhook(PAGE)
    assert status.state is JobState.SUCCEEDED
    assert status.result is not None
    assert status.result.value == PAGE["response"]
    assert status.detail == {"job_id": "1028", "instance_id": "30", "notification_id": "1084"}
    assert "TestFolderCopy" not in repr(status)


@pytest.mark.parametrize(
    "body",
    [
        {"eventId": "1028", "response": [1]},
        {"eventId": 1028.0, "response": "text"},
        {"eventId": 1028, "response": 0},
        {"eventId": 1028, "response": {}},
        {"eventId": 1028, "response": []},
        {"eventId": 1028, "response": False},
        {"message": {"eventId": "1028", "response": {"a": 1}}},
        {"message": {"eventId": 1028}, "response": {"a": 1}},
        {"eventId": 1028, "message": {"response": {"a": 1}}},
        {"eventId": 1028, "message": "Job finished", "response": {"message": "hello"}},
        {"eventId": 1028, "response": {"error": "a field of the resource"}},
        {"eventId": 1028, "eventStatus": "notified", "response": {"status": "dispatched"}},
        {"eventId": 1028, "error": None, "response": {"a": 1}},
        {"eventId": 1028, "error": "", "errors": [], "response": {"a": 1}},
    ],
)
def test_a_response_wherever_it_stands_is_a_success(body):
    status = webhook(body)
    assert status.state is JobState.SUCCEEDED
    assert status.detail["job_id"] == "1028"


@pytest.mark.parametrize(
    "body",
    [
        {"eventId": 1028, "eventStatus": "started", "instanceId": 30, "notificationId": 1083},
        {"eventId": 1028, "message": "Job 1028 has started"},
        {"eventId": 1028, "response": None},
        {"message": {"eventId": "1028", "events": [{"eventType": "CREATED"}], "raw": {}}},
        {"requestId": "r1", "message": {"eventId": 1}},
        {"eventId": 1028, "eventStatus": "dispatched", "response": {}},
        {"eventId": 1028, "response": {"eventId": 1028, "eventStatus": "dispatched"}},
        {"message": {"eventId": 1028, "eventStatus": "STARTED", "response": {"a": 1}}},
        {"eventStatus": "Dispatched", "message": {"eventId": 1028, "response": {"a": 1}}},
        {},
    ],
)
def test_the_news_of_a_start_ends_nothing(body):
    status = webhook(body)
    assert status.state is JobState.RUNNING
    assert status.result is None


@pytest.mark.parametrize(
    "body",
    [
        {"eventId": 1028, "error": "Copy failed"},
        {"eventId": 1028, "error": {"message": "Copy failed"}, "response": {"a": 1}},
        {"eventId": 1028, "message": "Copy failed", "requestId": "r1"},
        {"eventId": 1028, "response": {"message": "Copy failed", "requestId": "r1", "providerMessage": "x"}},
        {"eventId": 1028, "eventStatus": "FAILED", "note": "Copy failed"},
        {"message": {"eventId": 1028, "error": "Copy failed"}},
        {"message": {"eventId": 1028, "message": "Copy failed", "requestId": "r1"}},
        {"eventId": 1028, "status": "Aborted", "why": "Copy failed"},
        {"eventId": 1028, "eventStatus": "CANCELLED", "response": {"a": 1}, "why": "Copy failed"},
        {"message": {"eventId": 1028, "status": "canceled", "response": {}, "why": "Copy failed"}},
    ],
)
def test_a_positive_sign_of_failure_fails_and_shows_the_body(body):
    status = webhook(body)
    assert status.state is JobState.FAILED
    assert status.result is None
    assert "Copy failed" in (status.message or "")
    assert "body began" in (status.message or "")
    assert status.detail["job_id"] == "1028"


def test_the_error_of_a_failure_is_bounded_and_shows_the_request_id_first():
    status = webhook({"eventId": 1, "response": {**PROVIDER_ERROR, "noise": "x" * 100_000, "at": CALLBACK}})
    assert status.request_id == "53dbca9430045c016b46566c"
    assert len(status.message or "") < 1500
    assert "c2VjcmV0" not in (status.message or "")
    assert (status.message or "").index("providerMessage") < (status.message or "").index("body began")


def test_the_rules_can_be_replaced():
    mine = OpenConnectorsProtocol(
        failure_rule=["response.result==error"], success_rule=["response.result==done"]
    )
    assert (
        webhook({"eventId": 1, "error": "ignored", "response": {"result": "Done"}}, mine).state == "succeeded"
    )
    assert webhook({"eventId": 1, "response": {"result": "ERROR"}}, mine).state == "failed"
    assert webhook({"eventId": 1, "response": {"result": "busy"}}, mine).state == "running"
    under_way = {"eventId": 1, "eventStatus": "dispatched", "response": {"result": "done"}}
    assert webhook(under_way, mine).state == "succeeded"
    nothing_fails = OpenConnectorsProtocol(failure_rule=[])
    assert webhook({"eventId": 1, "error": "x", "response": {}}, nothing_fails).state == "succeeded"
    without_response = OpenConnectorsProtocol(success_rule=["eventStatus==done"])
    status = webhook({"eventId": 1, "eventStatus": "done"}, without_response)
    assert (status.state, status.result and status.result.value) == ("succeeded", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        json.dumps(PAGE).encode()[:-1],
        b'{"eventId": NaN}',
        b'{"eventId": Infinity}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe\x00",
        b'{"eventId": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_an_error_of_our_tree(body):
    with pytest.raises(CallbackError) as caught:
        webhook(body, Elements_Webhook_Id="w-1")
    assert caught.value.request_id == "w-1"
    assert PROTOCOL.delivery_id(Headers(), body) is None
    assert PROTOCOL.delivery_id(Headers({"elements-webhook-id": "w"}), body) == "webhook:w"


def test_an_error_of_a_broken_body_shows_no_url():
    with pytest.raises(CallbackError) as caught:
        webhook(b"see " + CALLBACK.encode())
    assert "c2VjcmV0" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["eventId", "message", "response", "error", "requestId", "eventStatus", "status", "notificationId"]
    ),
    JSON,
)


@settings(deadline=None)
@given(st.binary() | FIELDS.map(lambda d: json.dumps(d).encode()), st.text(max_size=20))
def test_any_bytes_lead_to_a_state_or_an_error_of_our_tree(body, webhook_id):
    headers = Headers({"Elements-Webhook-Id": webhook_id})
    try:
        status = PROTOCOL.read_callback(headers, body)
    except CallbackError:
        pass
    else:
        assert status.state in (JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED)
        json.dumps(status.detail)
        assert len(status.message or "") < 3000
    key = PROTOCOL.delivery_id(headers, body)
    assert key is None or len(key) < 700


# -- repetitions ------------------------------------------------------------------------------------------


def delivery(body: object, webhook_id: str | None = None) -> str | None:
    headers = Headers({"Elements-Webhook-Id": webhook_id} if webhook_id else {})
    return PROTOCOL.delivery_id(headers, json.dumps(body).encode())


def test_repetitions_share_a_key_and_different_news_do_not():
    started = {"eventId": 1028, "eventStatus": "started", "notificationId": 1083}
    assert delivery(PAGE, "a") == delivery(PAGE, "b") == "notification:1084:succeeded"
    assert delivery(started, "a") != delivery(PAGE, "a")
    # Were the header or the notification's id the same for start and end, the end must still count.
    assert delivery({**started, "notificationId": 1084}, "a") != delivery(PAGE, "a")
    anonymous = {"eventId": 1, "response": {}}
    assert delivery(anonymous) == delivery(anonymous) == "event:1::succeeded"
    assert delivery(anonymous, "w1") != delivery(anonymous, "w2")
    assert delivery({"response": 1}, "w1") == "event::w1:succeeded"
    assert delivery({"message": {"notificationId": "7"}}) == "notification:7:running"
    assert delivery({"response": 1}) is None


# -- rules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "document", "holds"),
    [
        ("error", {"error": "x"}, True),
        ("error", {"error": 0}, False),
        ("error", {"error": False}, False),
        ("error", {"error": {}}, False),
        ("error", {}, False),
        ("a.b", {"a": {"b": 1}}, True),
        ("a.b", {"a": [1]}, False),
        ("errors[0].code==E7", {"errors": [{"code": "e7"}]}, True),
        ("/a/b==2", {"a": {"b": 2}}, True),
        ("ok==false", {"ok": False}, True),
        ("ok==true", {"ok": True}, True),
        ("v==null", {"v": None}, True),
        ("v==null", {}, False),
        ("s ==  FAILED ", {"s": "failed"}, True),
        ("s==", {"s": ""}, True),
        (["a", "b==1"], {"a": 1, "b": 1}, True),
        (["a", "b==1"], {"a": 1}, False),
        ('["odd.key"]', {"odd.key": 1}, True),
    ],
)
def test_conditions(condition, document, holds):
    assert bool(CallbackRule([condition], name="r").holds(document)) is holds


def test_a_condition_must_hold_within_one_document():
    rule = CallbackRule([["a", "b"], "c==1"], name="r")
    assert rule.holds({"a": 1}, {"b": 1}) is None
    assert rule.holds({}, {"a": 1, "b": 1}) == "a and b"
    assert rule.holds({"c": 1}) == "c==1"


@pytest.mark.parametrize(
    "rule",
    [
        "error",
        b"error",
        None,
        5,
        {"error": 1},
        [""],
        [[]],
        [5],
        [["a", 5]],
        ["a..b"],
        ["=="],
        ["$"],
        ["a"] * 51,
    ],
)
def test_a_rule_that_cannot_be_understood_is_refused_when_the_dag_is_parsed(rule):
    with pytest.raises(ConfigurationError, match="failure_rule"):
        CallbackRule(rule, name="failure_rule")


def test_the_default_rule_is_json_able():
    assert json.loads(json.dumps(CallbackRule(DEFAULT_FAILURE_RULE, name="r").conditions))


def test_the_vendor_s_signature_is_described_as_data():
    assert SIGNATURE.to_dict() == {
        "kind": "hmac",
        "header": "Elements-Webhook-Signature",
        "prefix": "sha256=",
    }
    assert (SIGNATURE.algorithm, SIGNATURE.encoding) == ("sha256", "base64")


# -- the queue --------------------------------------------------------------------------------------------

ADDRESS = "https://airflow.example.com/nobody/6f1c"
QUEUE = OpenConnectorsQueueProtocol(queue_url=ADDRESS)
HANDLE = JobHandle("open_connectors_queue", "1028", 0.0, options=QUEUE.options())


def queued(*bodies: object, **envelope: object) -> HttpResponse:
    deliveries = [
        {
            "id": n,
            "status": "queued",
            "notificationId": 1084 + n,
            "notification": {"id": 1084 + n, "topic": "t", "message": body},
            "subscription": {"channel": "webhook", "config": {"url": ADDRESS}},
            **envelope,
        }
        for n, body in enumerate(bodies)
    ]
    return answer(200, deliveries)


def test_the_queue_is_asked_for_the_job_s_own_address():
    request = QUEUE.status(HANDLE)
    assert (request.method, request.url) == ("GET", "notifications/subscriptions/deliveries")
    assert request.params == {
        "where": f"channel='webhook' and status='queued' and config.url='{ADDRESS}'",
        "hydrate": "true",
    }
    assert QUEUE.pollable is True
    handle = QUEUE.read_submit(answer(200, {"eventId": 1028})).handle
    assert handle.options["queue_url"] == ADDRESS
    assert OpenConnectorsQueueProtocol(**handle.options).queue_url == ADDRESS


@pytest.mark.parametrize("url", ["https://x.example.com/a'b", "x", ""])
def test_an_address_that_cannot_be_asked_for_is_refused(url):
    with pytest.raises(ConfigurationError):
        OpenConnectorsQueueProtocol(queue_url=url)


@pytest.mark.parametrize(
    "body",
    [
        PAGE,
        json.dumps(PAGE),
        {"message": PAGE},
        {"message": json.dumps(PAGE)},
        [{"eventId": 7, "response": 1}, PAGE],
        {**PAGE, "eventId": "1028"},
    ],
)
def test_a_queued_webhook_is_found_wherever_it_stands(body):
    status = QUEUE.read_status(HANDLE, queued(body, error="Connection refused"))
    assert status.state is JobState.SUCCEEDED
    assert status.result is not None
    assert status.result.value == PAGE["response"]


def test_a_delivery_that_holds_the_webhook_s_fields_itself():
    delivery_itself = {**PAGE, "status": "failed", "error": "Connection refused", "subscription": {}}
    assert QUEUE.read_status(HANDLE, answer(200, [delivery_itself])).state is JobState.SUCCEEDED


def test_the_end_counts_more_than_the_start_in_either_order():
    start = {"eventId": 1028, "eventStatus": "started"}
    assert QUEUE.read_status(HANDLE, queued(start, PAGE)).state is JobState.SUCCEEDED
    assert QUEUE.read_status(HANDLE, queued(PAGE, start)).state is JobState.SUCCEEDED
    status = QUEUE.read_status(HANDLE, queued(start))
    assert (status.state, status.remote_status) == (JobState.RUNNING, "started")
    failed = QUEUE.read_status(HANDLE, queued({"eventId": 1028, "error": "broken"}))
    assert failed.state is JobState.FAILED
    assert "broken" in (failed.message or "")


@pytest.mark.parametrize(
    "response",
    [
        answer(200, []),
        answer(200, [None, 5, "x", [], {}]),
        queued({**PAGE, "eventId": 1029}),
        queued("{not json", "no json"),
        queued({"a": {"b": {"c": {"d": {"e": {"f": PAGE}}}}}}),
    ],
)
def test_webhooks_of_others_and_nonsense_leave_the_job_running(response):
    status = QUEUE.read_status(HANDLE, response)
    assert (status.state, status.remote_status) == (JobState.RUNNING, "dispatched")


@pytest.mark.parametrize("body", [b"", b"{}", b"x", b"null"])
def test_anything_but_a_list_of_deliveries_is_unreadable(body):
    with pytest.raises(UnreadableAnswerError):
        QUEUE.read_status(HANDLE, answer(200, body))


def test_refused_polls_are_errors():
    with pytest.raises(AuthenticationError, match="organization_secret"):
        QUEUE.read_status(HANDLE, answer(401, {"message": "no"}))


@settings(deadline=None)
@given(st.lists(JSON | FIELDS, max_size=5))
def test_any_deliveries_lead_to_a_status(deliveries):
    raw = json.dumps(deliveries).encode()
    try:
        QUEUE.read_status(HANDLE, answer(200, raw))
    except UnreadableAnswerError:
        assert "NaN" in raw.decode() or "Infinity" in raw.decode()


def test_only_webhooks_of_the_event_are_found():
    assert list(queued_webhooks([{"a": {"eventId": 1}}, {"a": {"eventId": 2}}], "2")) == [{"eventId": 2}]
