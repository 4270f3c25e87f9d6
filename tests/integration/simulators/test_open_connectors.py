# SPDX-License-Identifier: Apache-2.0
"""The simulated SAP Open Connectors, asked over real sockets: every rule it enforces, and what it answers."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import io
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from airflow_async_provider.simulators.__main__ import build_parser
from airflow_async_provider.simulators._content import Content
from airflow_async_provider.simulators._open_connectors_jobs import FAILURES, Plan, Records
from airflow_async_provider.simulators._open_connectors_webhooks import RETRIES, TAMPERED, Webhooks, sign
from airflow_async_provider.simulators.open_connectors import BASE, OpenConnectorsSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

TIMEOUT = 10
USER, ELEMENT, ORGANIZATION = "user+secret/sim=", "element+token/sim=", "org+secret/sim="
INSTANCE = {"Authorization": f"User {USER}, Element {ELEMENT}"}
PLATFORM = {"Authorization": f"User {USER}, Organization {ORGANIZATION}"}
DELIVERIES = "/notifications/subscriptions/deliveries"
COPY_BODY = {"path": "/testfoldercopy", "tags": ["TestFolderCopy"], "name": "TestFolderCopy"}
KEY = "MySecretEventSignatureKey"


class Receiver:
    """Somebody's callback address."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # Before the answer: what has been answered for has been noted.
                receiver.got.put(({k.lower(): v for k, v in self.headers.items()}, body))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                self.send_header("Content-Length", "2")
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/cb"

    def next(self) -> tuple[dict[str, str], bytes]:
        return self.got.get(timeout=TIMEOUT)

    def next_json(self) -> dict[str, Any]:
        return json.loads(self.next()[1])

    def stays_quiet(self, seconds: float = 0.15) -> bool:
        with pytest.raises(queue.Empty):
            self.got.get(timeout=seconds)
        return True


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join(TIMEOUT)
    receiver.server.server_close()


class Api:
    """The simulator as a plain HTTP client sees it."""

    def __init__(self, simulator: OpenConnectorsSimulator) -> None:
        self.simulator = simulator

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        options = {"headers": INSTANCE, "timeout": TIMEOUT, **options}
        return requests.request(method, self.simulator.url + BASE + path, **options)

    def copy(self, callback: str | None, path: str = "/hubs/documents/folders/copy") -> requests.Response:
        headers = {**INSTANCE, "Elements-Async-Request": "True"}
        if callback is not None:
            headers["Elements-Async-Callback-Url"] = callback
        return self.ask("POST", path, params={"path": "/TestFolderCreate"}, json=COPY_BODY, headers=headers)

    def download(self, **body: Any) -> str:
        answer = self.ask(
            "POST", "/bulk/download", json={"objectName": "contacts", "format": "text/csv", **body}
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "CREATED"
        return str(answer.json()["id"])

    def upload(
        self, content: bytes, metadata: Any = None, name: str = "accounts", **headers: str
    ) -> requests.Response:
        parts: dict[str, Any] = {"file": ("rows.csv", content, "text/csv")}
        if metadata is not None:
            parts["metaData"] = (None, metadata if isinstance(metadata, str) else json.dumps(metadata))
        return self.ask("POST", f"/bulk/{name}", files=parts, headers={**INSTANCE, **headers})

    def status(self, job_id: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"/bulk/{job_id}/status").json())

    def until(self, job_id: str, field: str, value: str) -> dict[str, Any]:
        end = time.monotonic() + TIMEOUT
        while (found := self.status(job_id))[field] != value:
            assert time.monotonic() < end, found
            time.sleep(0.02)
        return found

    def queued(
        self, where: str = "channel='webhook' and status='queued'", **params: Any
    ) -> list[dict[str, Any]]:
        answer = self.ask("GET", DELIVERIES, params={"where": where, **params}, headers=PLATFORM)
        assert answer.status_code == 200, answer.text
        return list(answer.json())


@pytest.fixture
def start(run_simulator: Callable[..., Any]) -> Callable[..., Api]:
    return lambda **options: Api(run_simulator(OpenConnectorsSimulator(**options)))


# -- asynchronous requests


def test_the_folder_copy_of_the_vendor_s_page(start, receiver):
    api = start(signature_key=KEY)
    answer = api.copy(receiver.url)
    assert answer.status_code == 200
    assert answer.json() == {"eventId": 1028, "eventStatus": "dispatched"}
    assert answer.headers["Elements-Request-Id"]
    assert receiver.next_json() == {
        "eventId": 1028,
        "instanceId": 30,
        "eventStatus": "started",
        "notificationId": 1083,
    }
    headers, body = receiver.next()
    assert json.loads(body) == {
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
    digest = hmac.new(KEY.encode(), body, hashlib.sha256).digest()
    assert headers["elements-webhook-signature"] == "sha256=" + base64.b64encode(digest).decode()
    assert headers["elements-webhook-id"]
    assert headers["content-type"] == "application/json"
    assert receiver.stays_quiet()
    assert api.simulator.journal.noted("webhook_accepted") == 2


def test_the_signature_is_the_vendor_s_vector():
    assert sign(KEY, b"<INSERT_EVENT_NOTIFICATION_RESPONSE_BODY>") == (
        "sha256=jHdbRx5EZAsOfTwAPJOGkNUzQMVVdu5VJlxcsk+G6jQ="
    )


def test_without_a_key_nothing_is_signed(start, receiver):
    start().copy(receiver.url)
    assert "elements-webhook-signature" not in receiver.next()[0]


def test_without_the_header_the_resource_answers_at_once(start, receiver):
    api = start()
    answer = api.ask("POST", "/folders/copy", params={"path": "/Reports"}, json={"path": "/q1"})
    assert len(answer.json()["events"]) == 4
    assert api.ask("GET", "/hubs/crm/contacts").json() == {
        "id": "1",
        "objectName": "contacts",
        "method": "GET",
    }
    assert api.simulator.journal.jobs_started == 0
    assert receiver.stays_quiet()


def test_any_resource_can_be_asked_for_later(start, receiver):
    api = start(event_id_form="string", event_id_place="message")
    headers = {**INSTANCE, "Elements-Async-Request": "True", "Elements-Async-Callback-URL": receiver.url}
    assert api.ask("DELETE", "/hubs/crm/contacts", headers=headers).json()["eventId"] == 1028
    receiver.next()
    assert receiver.next_json() == {
        "message": {
            "eventId": "1028",
            "instanceId": 30,
            "response": {"id": "1", "objectName": "contacts", "method": "DELETE"},
        },
        "notificationId": 1084,
    }


def test_a_callback_address_must_come_from_somewhere(start, receiver):
    api = start()
    answer = api.copy(None)
    assert answer.status_code == 400
    assert set(answer.json()) == {"requestId", "message"}
    assert answer.headers["Elements-Error"] == "true"
    assert api.copy("nowhere").status_code == 400
    assert api.simulator.journal.jobs_started == 0
    with_own = start(instance_callback_url=receiver.url)
    assert with_own.copy(None).status_code == 200
    receiver.next()


def test_a_formula_as_address_gets_nothing_over_the_network(start):
    api = start()
    assert api.copy("/formulas/instances/7/executions").status_code == 200
    assert api.simulator.webhooks.deliveries == []


@pytest.mark.parametrize(
    ("params", "body", "status"),
    [
        ({"path": "/Nowhere"}, COPY_BODY, 404),
        ({"path": "/Reports"}, {}, 400),
        ({"path": "/Reports"}, {"path": "relative"}, 400),
    ],
)
def test_copies_that_are_refused(start, params, body, status):
    answer = start().ask("POST", "/folders/copy", params=params, json=body)
    assert answer.status_code == status
    assert answer.json()["message"]
    assert ("providerMessage" in answer.json()) is (status == 404)


def test_bodies_that_are_refused(start):
    api = start()
    path = {"params": {"path": "/Reports"}}
    assert api.ask("POST", "/folders/copy", data="x=1", **path).status_code == 415
    json_type = {"headers": {**INSTANCE, "Content-Type": "application/json"}}
    assert api.ask("POST", "/folders/copy", data="{", **path, **json_type).status_code == 400
    assert api.ask("POST", "/folders/copy", data="[]", **path, **json_type).status_code == 400


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        f"User {USER}",
        f"Element {ELEMENT}",
        f"User {USER}, Element wrong",
        f"User {USER} Element {ELEMENT}",
        f"user {USER}, element {ELEMENT}",
        f"User {USER}, Organization {ORGANIZATION}",
        f"User {USER}, Element {ELEMENT}, Organization {ORGANIZATION}",
        f"User {USER}, Element {ELEMENT},",
        "Bearer x",
    ],
)
def test_instance_calls_want_user_and_element(start, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = start().ask("GET", "/contacts", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["requestId"]


def test_the_order_of_the_two_is_free(start):
    api = start()
    assert api.ask("GET", "/contacts", headers={"Authorization": f"Element {ELEMENT}, User {USER}"}).ok
    assert api.ask("GET", "/contacts", headers={"Authorization": f"Element {ELEMENT},User {USER}"}).ok


def test_platform_calls_want_user_and_organization(start):
    api = start()
    assert api.ask("GET", DELIVERIES).status_code == 401
    assert api.ask("GET", DELIVERIES, headers=PLATFORM).json() == []


# -- how requests go


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_take_several_forms(start, receiver, failure):
    start(outcome="failed", plan={"failure": failure, "notifications": ["done"]}).copy(receiver.url)
    body = receiver.next_json()
    assert FAILURES[failure].items() <= body.items()


def test_jobs_can_be_scripted_one_by_one(start, receiver):
    api = start(plan={"notifications": ["done"]})
    api.simulator.script(kind="upload", records=1)
    api.simulator.script(kind="request", response={"mine": True}, seconds=0.0)
    api.simulator.script(outcome="failed", seconds=0.0)
    api.copy(receiver.url)
    assert receiver.next_json()["response"] == {"mine": True}
    api.copy(receiver.url)
    assert receiver.next_json()["error"]
    api.copy(receiver.url)
    assert "events" in receiver.next_json()["response"]


def test_a_job_waits_until_it_is_asked_to_end(start, receiver):
    api = start(seconds=None)
    api.copy(receiver.url)
    assert receiver.next_json()["eventStatus"] == "started"
    assert api.simulator.requests.job().outcome is None
    assert receiver.stays_quiet()
    api.simulator.requests.finish(outcome="failed")
    assert receiver.next_json()["error"]
    api.simulator.requests.finish(outcome="completed")
    assert receiver.stays_quiet()
    assert api.simulator.requests.job().outcome == "failed"


def test_an_earlier_end_replaces_the_planned_one(start, receiver):
    api = start(seconds=30, plan={"notifications": ["done"]})
    api.copy(receiver.url)
    api.simulator.requests.finish()
    assert receiver.next_json()["response"]
    api.simulator.clock.advance(60)
    assert receiver.stays_quiet()


def test_the_clock_ends_jobs(start, receiver):
    api = start(seconds=3600, plan={"notifications": ["done"]})
    api.copy(receiver.url)
    assert receiver.stays_quiet(0.1)
    api.simulator.clock.advance(3600)
    assert receiver.next_json()["response"]


def test_a_webhook_may_come_before_the_answer(start, receiver):
    api = start(plan={"before_answer": True, "seconds": 0})
    assert api.copy(receiver.url).status_code == 200
    assert receiver.got.qsize() == 2
    assert receiver.next_json()["eventStatus"] == "started"
    assert "response" in receiver.next_json()


def test_repetitions_late_ones_and_ones_to_the_wrong_address(start, receiver):
    api = start(plan={"notifications": ["done"], "copies": 2}, seconds=0)
    api.copy(receiver.url + "/one")
    api.copy(receiver.url + "/two")
    events = sorted(receiver.next_json()["eventId"] for _ in range(4))
    assert events == [1028, 1028, 1029, 1029]
    api.simulator.requests.send_webhook(0, to=1)
    assert receiver.next_json()["eventId"] == 1028
    assert api.simulator.webhooks.deliveries[-1].url.endswith("/two")
    api.simulator.requests.send_webhook(0, notification="started")
    assert receiver.next_json()["eventStatus"] == "started"
    api.simulator.requests.send_webhook(0, payload={"eventId": 7})
    assert receiver.next_json() == {"eventId": 7}


@pytest.mark.parametrize("tamper", TAMPERED)
def test_webhooks_can_be_tampered_with(start, receiver, tamper):
    start(signature_key=KEY, seconds=0, plan={"notifications": ["done"], "tamper": tamper}).copy(receiver.url)
    headers, body = receiver.next()
    given = headers.get("elements-webhook-signature")
    assert given != sign(KEY, body)
    assert (given is None) is (tamper == "unsigned")
    assert (given or "").startswith("sha1=") is (tamper == "sha1")
    assert (given or "").removeprefix("sha256=").isalnum() is (tamper == "hex")


def test_unknown_ways_are_refused(start, receiver):
    api = start()
    api.copy(receiver.url)
    with pytest.raises(ValueError, match="tampering"):
        api.simulator.requests.send_webhook(tamper="nicely")
    with pytest.raises(ValueError, match="outcome"):
        api.simulator.requests.finish(outcome="maybe")
    with pytest.raises(ValueError, match="kind"):
        api.simulator.script(kind="x")
    with pytest.raises(ValueError, match="no"):
        api.simulator.script(speed=1)
    with pytest.raises(ValueError, match="policy"):
        api.simulator.set_policy("forget")


@pytest.mark.parametrize(
    "options",
    [
        {"outcome": "cancelled"},
        {"plan": {"failure": "x"}},
        {"plan": {"notifications": ["middle"]}},
        {"plan": {"x": 1}},
        {"event_id_form": "roman"},
        {"event_id_place": "bottom"},
        {"spelling": "v9"},
        {"policy": "forget"},
    ],
)
def test_options_that_cannot_be(options):
    with pytest.raises(ValueError, match=r"."):
        OpenConnectorsSimulator(**options)


# -- retries and the queue


def test_the_vendor_s_intervals():
    assert RETRIES == (8.0, 64.0, 512.0, 4096.0, 32768.0)


def test_a_failed_webhook_is_sent_again_until_it_is_taken(start, receiver):
    receiver.statuses = [503, 302, 200]
    api = start(seconds=0, signature_key=KEY, plan={"notifications": ["done"]}, time_scale=100)
    api.copy(receiver.url)
    first, second, third = receiver.next(), receiver.next(), receiver.next()
    assert first == second == third
    delivery = api.simulator.webhooks.deliveries[0]
    assert api.simulator.journal.wait(lambda j: j.noted("webhook_accepted") == 1)
    assert (delivery.status, delivery.answers) == ("delivered", [503, 302, 200])
    assert receiver.stays_quiet()


def test_after_the_last_retry_the_address_is_deactivated_and_all_is_queued(start, receiver):
    receiver.statuses = [500] * 6
    api = start(seconds=0, plan={"notifications": ["done"]}, time_scale=1e6)
    api.copy(receiver.url)
    assert api.simulator.journal.wait(lambda j: j.noted("webhook_queued") == 1)
    assert api.simulator.webhooks.deliveries[0].answers == [500] * 6
    api.copy(receiver.url)
    assert api.simulator.journal.wait(lambda j: j.noted("webhook_queued") == 2)
    assert receiver.got.qsize() == 6
    assert api.ask("GET", "/accounts/settings", headers=PLATFORM).json() == {
        "notification.webhook.failure.policy": "retry"
    }
    assert len(api.queued()) == 2


@pytest.mark.parametrize("path", ["/accounts/settings", "/accounts/77/settings"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_the_account_s_policy(start, path, method):
    api = start()
    name = "notification.webhook.failure.policy"
    assert api.ask(method, path, json={name: "queue"}, headers=PLATFORM).json() == {name: "queue"}
    assert api.ask("GET", path, headers=PLATFORM).json() == {name: "queue"}
    assert api.ask(method, path, json={name: "drop"}, headers=PLATFORM).status_code == 400
    assert api.ask(method, path, json={name: "retry"}).status_code == 401


def test_with_the_policy_queue_undelivered_webhooks_can_be_fetched(start, receiver):
    receiver.statuses = [500] * 4
    api = start(seconds=0, policy="queue", event_id_form="string")
    api.copy(receiver.url + "/a")
    assert api.simulator.journal.wait(lambda j: j.noted("webhook_queued") == 2)
    api.copy("http://127.0.0.1:9/nobody")
    assert api.simulator.journal.wait(lambda j: j.noted("webhook_queued") == 4)
    assert len(api.queued()) == 4
    mine = api.queued(
        f"channel='webhook' and status='queued' and config.url= '{receiver.url}/a'", hydrate="true"
    )
    assert [d["notification"]["message"]["eventId"] for d in mine] == ["1028", "1028"]
    assert json.loads(mine[1]["message"])["response"]["events"]
    assert mine[0]["subscription"]["config"]["url"] == receiver.url + "/a"
    assert "notification" not in api.queued()[0]
    assert api.queued("channel='email'") == api.queued("status='delivered'") == []
    assert len(api.queued("")) == 4


def test_a_where_clause_that_cannot_be_understood_is_refused(start):
    api = start()
    for where in ("status='queued' or channel='webhook'", "id=5", "name='x'"):
        for method in ("GET", "PUT"):
            answer = api.ask(method, DELIVERIES, params={"where": where}, headers=PLATFORM)
            assert answer.status_code == 400


def test_queued_webhooks_can_be_sent_again(start, receiver):
    receiver.statuses = [500]
    api = start(seconds=0, policy="queue", plan={"notifications": ["done"]})
    api.copy(receiver.url)
    receiver.next()
    assert api.simulator.journal.wait(lambda j: j.noted("webhook_queued") == 1)
    where = f"channel='webhook' and status='queued' and config.url='{receiver.url}'"
    released = api.ask("PUT", DELIVERIES, params={"where": where}, headers=PLATFORM).json()
    assert [d["status"] for d in released] == ["created"]
    assert receiver.next_json()["eventId"] == 1028
    assert api.simulator.journal.wait(lambda j: j.noted("webhook_accepted") == 1)
    assert api.queued() == []


async def test_nothing_is_sent_while_it_does_not_run():
    simulator = OpenConnectorsSimulator()
    webhooks: Webhooks = simulator.webhooks
    [delivery] = webhooks.expect("http://127.0.0.1:9/", {}, notification_id=1, at=0.0)
    with pytest.raises(RuntimeError, match="not running"):
        await webhooks.attempt(delivery)


# -- bulk downloads


def test_a_download_from_end_to_end(start, receiver):
    api = start(signature_key=KEY, plan={"records": 7})
    job_id = api.download(selectFields="id, email", where="x='1'", notificationUrl=receiver.url)
    assert job_id == "42114492"
    assert api.status(job_id)["jobStatus"] in ("CREATED", "STARTED", "RUNNING")
    done = api.until(job_id, "jobStatus", "COMPLETED")
    assert (done["id"], done["recordCount"], done["errorCount"]) == (42114492, 7, 0)
    assert done["statusMessage"] == "Successfully downloaded 7 records"
    assert done["jobCriteria"]["where"] == "x='1'"
    assert "notificationUrl" not in json.dumps(done)
    headers, body = receiver.next()
    assert headers["elements-webhook-signature"] == sign(KEY, body)
    notification = json.loads(body)
    assert notification["id"] == job_id
    assert (notification["status"], notification["recordsCount"]) == ("COMPLETED", 7)
    file = api.ask("GET", f"/bulk/{job_id}/contacts", headers={**INSTANCE, "Accept": "text/csv"})
    assert file.headers["Content-Type"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(file.content.decode())))
    assert len(rows) == 7
    assert rows[6] == {"id": "000000006", "email": "email ü 000000006"}


@pytest.mark.parametrize(
    ("sent", "media_type"),
    [
        ("application/json", "application/json"),
        ("application/jsonl", "application/jsonl"),
        ("csv", "text/csv"),
        ("txt/csv", "text/csv"),
    ],
)
def test_formats_of_files(start, sent, media_type):
    api = start(seconds=0, plan={"records": 3})
    job_id = api.download(format=sent)
    answer = api.ask("GET", f"/bulk/{job_id}/contacts", headers={**INSTANCE, "Accept": media_type})
    text = answer.content.decode()
    rows = {
        "application/json": lambda: json.loads(text),
        "application/jsonl": lambda: [json.loads(line) for line in text.splitlines()],
        "text/csv": lambda: list(csv.DictReader(io.StringIO(text))),
    }[media_type]()
    assert [row["id"] for row in rows] == ["000000000", "000000001", "000000002"]
    assert (
        api.ask("GET", f"/bulk/{job_id}/contacts", headers={**INSTANCE, "Accept": "image/png"}).status_code
        == 406
    )
    assert api.ask("GET", f"/bulk/{job_id}/contacts").ok


def test_limits_are_kept_and_large_files_refused(start):
    api = start(seconds=0, plan={"records": 1000}, streaming_limit=1000, file_chunked=False)
    small = api.download(limit=5)
    answer = api.ask("GET", f"/bulk/{small}/contacts")
    assert len(answer.content.splitlines()) == 6
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    large = api.download()
    refused = api.ask("GET", f"/bulk/{large}/contacts")
    assert refused.status_code == 429
    assert "limit" in refused.json()["message"]


@pytest.mark.parametrize("rows", [0, 1, 1234])
@pytest.mark.parametrize("media_type", ["text/csv", "application/json", "application/jsonl"])
def test_any_part_of_a_file_is_that_part_of_the_whole(media_type, rows):
    records: Content = Records(media_type, rows, ["id", "name"])
    whole = records.read()
    assert len(whole) == records.size
    for start, stop in (
        (0, 1),
        (3, 20),
        (5, 40_000),
        (len(whole) - 2, len(whole) + 5),
        (len(whole), len(whole)),
    ):
        assert records.read(start, stop) == whole[start:stop]
    assert records.etag == ""


@pytest.mark.parametrize(
    "body",
    [
        {"format": "text/csv"},
        {"objectName": "", "format": "text/csv"},
        {"objectName": "x"},
        {"objectName": "x", "format": "pdf"},
        {"objectName": "x", "format": "text/csv", "notificationUrl": "nowhere"},
        {"objectName": "x", "format": "text/csv", "notificationUrl": 5},
    ],
)
def test_downloads_that_are_refused(start, body):
    api = start()
    assert api.ask("POST", "/bulk/download", json=body).status_code == 400
    assert api.simulator.journal.jobs_started == 0


@pytest.mark.parametrize(
    ("spelling", "fields"),
    [
        ("v3", {"jobStatus": "COMPLETED", "recordCount": 8, "errorCount": 2}),
        ("v1", {"status": "COMPLETED", "recordsCount": 8, "recordsFailedCount": 2}),
        ("page", {"status": "COMPLETE", "recordsCount": 8, "recordsFailedCount": 2}),
    ],
)
def test_spellings(start, spelling, fields):
    api = start(seconds=0, spelling=spelling, plan={"records": 10, "failed_records": 2})
    assert fields.items() <= api.status(api.download()).items()


def test_files_that_are_not_there(start):
    api = start(seconds=60, keep_seconds=3600)
    job_id = api.download()
    assert api.ask("GET", f"/bulk/{job_id}/contacts").status_code == 400
    assert api.ask("GET", f"/bulk/{job_id}/accounts").status_code == 404
    assert api.ask("GET", "/bulk/7/status").status_code == 404
    api.simulator.clock.advance(3600)
    assert api.ask("GET", f"/bulk/{job_id}/status").status_code == 404


def test_an_aborted_job(start, receiver):
    api = start(outcome="failed", seconds=0)
    job_id = api.download(notificationUrl=receiver.url)
    assert api.status(job_id)["jobStatus"] == "ABORTED"
    body = receiver.next_json()
    assert body["status"] == "ABORTED"
    assert body["error"]
    assert api.ask("GET", f"/bulk/{job_id}/errors").json() == ["The provider closed the connection"]


@pytest.mark.parametrize(("spelling", "word"), [("v3", "CANCELED"), ("v1", "CANCELLED")])
def test_a_cancelled_job(start, receiver, spelling, word):
    api = start(seconds=60, spelling=spelling, cancel_seconds=1)
    job_id = api.download(notificationUrl=receiver.url)
    assert api.ask("PUT", f"/bulk/{job_id}/cancel").json() == {"status": "CANCELLATION_PENDING"}
    assert api.status(job_id)[{"v3": "jobStatus"}.get(spelling, "status")] == "CANCELLATION_PENDING"
    api.simulator.clock.advance(1)
    assert api.status(job_id)[{"v3": "jobStatus"}.get(spelling, "status")] == word
    assert receiver.next_json()["status"] == "CANCELLED"
    assert api.ask("PUT", f"/bulk/{job_id}/cancel").status_code == 409
    assert api.ask("GET", f"/bulk/{job_id}/errors").json() == []
    api.simulator.clock.advance(60)
    assert receiver.stays_quiet()
    assert api.simulator.journal.cancels == 2


def test_a_bulk_job_waits_until_it_is_asked_to_end(start, receiver):
    api = start(seconds=None)
    job_id = api.download(notificationUrl=receiver.url)
    assert api.status(job_id)["jobStatus"] == "CREATED"
    api.simulator.bulk.finish()
    api.simulator.bulk.finish(outcome="failed")
    assert receiver.next_json()["status"] == "COMPLETED"
    assert api.status(job_id)["jobStatus"] == "COMPLETED"


def test_errors_come_in_pages(start):
    api = start(seconds=0, plan={"failed_records": 37, "records": 40})
    job_id = api.download()
    first = api.ask("GET", f"/bulk/{job_id}/errors", params={"pageSize": 30})
    assert (len(first.json()), first.headers["Elements-Returned-Count"]) == (30, "30")
    token = first.headers["Elements-Next-Page-Token"]
    last = api.ask("GET", f"/bulk/{job_id}/errors", params={"pageSize": 30, "nextPage": token})
    assert (len(last.json()), last.headers["Elements-Returned-Count"]) == (7, "7")
    assert "Elements-Next-Page-Token" not in last.headers
    assert api.ask("GET", f"/bulk/{job_id}/errors", params={"pageSize": "x"}).status_code == 400


def test_the_list_of_jobs(start):
    api = start(seconds=0)
    api.download()
    [job] = api.ask("GET", "/hubs/crm/bulk/jobs").json()
    assert (job["id"], job["object_name"], job["status"]) == (42114492, "contacts", "COMPLETED")


# -- bulk uploads


def test_an_upload_from_end_to_end(start, receiver):
    api = start(seconds=0, plan={"failed_records": 1})
    content = b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(9)) + b"9,x"
    metadata = {"action": "upsert", "callback-payload": {"correlationId": "AF-1"}}
    answer = api.upload(content, metadata, **{"Elements-Async-Callback-Url": receiver.url})
    assert answer.json()["status"] == "CREATED"
    job = api.simulator.bulk.job()
    assert job.upload is not None
    assert (job.upload.lines, job.upload.size) == (11, len(content))
    assert job.upload.sha256 == hashlib.sha256(content).hexdigest()
    done = api.status(answer.json()["id"])
    assert (done["jobDirection"], done["recordCount"], done["errorCount"]) == ("UPLOAD", 10, 1)
    assert done["metaData"] == metadata
    body = receiver.next_json()
    assert body["payload"] == {"correlationId": "AF-1"}
    assert api.ask("GET", f"/bulk/{job.job_id}/accounts").status_code == 404


def test_uploads_that_are_refused(start):
    api = start()
    assert api.upload(b"x", "no json").status_code == 400
    assert api.upload(b"x", "[]").status_code == 400
    assert api.upload(b"x", **{"Elements-Async-Callback-Url": "nowhere"}).status_code == 400
    assert api.ask("POST", "/bulk/accounts", files={"metaData": (None, "{}")}).status_code == 400
    assert api.ask("POST", "/bulk/accounts", json={}).status_code == 415
    nested = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n"
    headers = {**INSTANCE, "Content-Type": "multipart/form-data; boundary=b"}
    assert api.ask("POST", "/bulk/accounts", data=nested, headers=headers).status_code == 400
    assert api.ask("POST", "/bulk/accounts", data="broken", headers=headers).status_code == 400
    assert api.simulator.journal.jobs_started == 0


def test_json_uploads_say_so(start):
    api = start(seconds=0)
    job_id = api.upload(b'{"a":1}\n', {"format": "json"}).json()["id"]
    assert api.status(job_id)["fileFormat"] == "JSON"


# -- around it


def test_the_control_routes_drive_it(start, receiver):
    api = start(seconds=None, plan={"notifications": ["done"]})
    control = api.simulator.url + "/_sim"
    api.copy(receiver.url)
    requests.post(control + "/actions/finish", json={"outcome": "completed"}, timeout=TIMEOUT)
    assert receiver.next_json()["response"]
    requests.post(control + "/actions/send_webhook", json={"number": 0}, timeout=TIMEOUT)
    assert receiver.next_json()["response"]
    requests.post(control + "/actions/script", json={"kind": "download", "records": 1}, timeout=TIMEOUT)
    api.download()
    requests.post(control + "/actions/finish_bulk", json={}, timeout=TIMEOUT)
    requests.post(control + "/actions/set_policy", json={"policy": "queue"}, timeout=TIMEOUT)
    api.upload(b"x")
    found = requests.get(control, timeout=TIMEOUT).json()
    assert found["policy"] == "queue"
    assert found["requests"] == [{"number": 0, "event_id": 1028, "outcome": "completed"}]
    assert [job["status"] for job in found["bulk_jobs"]] == ["COMPLETED", "CREATED"]
    assert len(found["webhooks"]) == 2
    assert receiver.url not in json.dumps(found)
    requests.post(control + "/reset", timeout=TIMEOUT)
    found = requests.get(control, timeout=TIMEOUT).json()
    assert (found["requests"], found["bulk_jobs"], found["webhooks"], found["policy"]) == (
        [],
        [],
        [],
        "retry",
    )


def test_all_jobs_together_for_a_demo(start, receiver):
    api = start(seconds=None, plan={"notifications": ["done"], "records": 5})
    api.copy(receiver.url)
    job_id = api.download()
    api.upload(b"id\n1\n")
    control = api.simulator.url + "/_sim"
    assert len(requests.get(control, timeout=TIMEOUT).json()["jobs"]) == 3
    for number in range(3):
        answer = requests.post(control + "/actions/finish_job", json={"job": number}, timeout=TIMEOUT)
        assert answer.ok, answer.text
    response = json.dumps(receiver.next_json()["response"], ensure_ascii=False).encode()
    file = api.ask("GET", f"/bulk/{job_id}/contacts").content
    sums = [
        requests.post(control + "/actions/sha256_of", json={"job": n}, timeout=TIMEOUT).json()["result"]
        for n in range(3)
    ]
    assert sums == [hashlib.sha256(content).hexdigest() for content in (response, file, b"id\n1\n")]


def test_faults_strike_here_too(start):
    api = start(seconds=0)
    job_id = api.download()
    api.simulator.faults.add("status", "http_status", status=502, times=1)
    assert api.ask("GET", f"/bulk/{job_id}/status").status_code == 502
    assert api.ask("GET", f"/bulk/{job_id}/status").ok


@pytest.mark.parametrize("open_connectors_simulator", [{"signature_key": KEY}], indirect=True)
def test_the_fixtures(open_connectors_simulator, open_connectors_connection):
    import os

    assert open_connectors_connection == "sap_open_connectors_default"
    connection = json.loads(os.environ["AIRFLOW_CONN_SAP_OPEN_CONNECTORS_DEFAULT"])
    assert connection["conn_type"] == "sap_open_connectors"
    assert connection["host"] == open_connectors_simulator.url
    assert connection["extra"] == {
        "user_secret": USER,
        "organization_secret": ORGANIZATION,
        "element_token": ELEMENT,
        "signature_key": KEY,
    }


def test_the_command_line():
    parser = build_parser()
    arguments = parser.parse_args(
        [
            "open-connectors",
            "--seconds",
            "none",
            "--plan",
            '{"records": 5, "notifications": ["done"]}',
            "--policy",
            "queue",
            "--signature-key",
            KEY,
            "--content-length",
        ]
    )
    simulator = OpenConnectorsSimulator.from_arguments(arguments)
    assert simulator.next_plan("request") == Plan(seconds=None, records=5, notifications=("done",))
    assert (simulator.webhooks.policy, simulator.webhooks.key) == ("queue", KEY)
    for wrong in ("[]", "{", "5"):
        with pytest.raises(SystemExit):
            parser.parse_args(["open-connectors", "--plan", wrong])
