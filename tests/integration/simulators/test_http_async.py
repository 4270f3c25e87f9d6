# SPDX-License-Identifier: Apache-2.0
"""The simulated generic APIs, asked over real sockets: what they answer, and what they refuse."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import requests

from airflow_async_provider.protocols import Headers
from airflow_async_provider.protocols._signature_forms import SCHEMES
from airflow_async_provider.protocols._signatures import HmacScheme
from airflow_async_provider.simulators.__main__ import build_parser, load
from airflow_async_provider.simulators.frame import running
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

AUTH = ("http-user", "http-password")
SUBMIT = {
    "location": "/location/jobs",
    "azure": "/azure/jobs",
    "azure_arm": "/azure_arm/jobs",
    "azure_location": "/azure_location/jobs",
    "google": "/google/v1/reports:export",
    "odata": "/odata/Reports",
    "odata40": "/odata40/Reports",
    "status_field": "/status_field/jobs",
}
PREFER = {"Prefer": "respond-async"}

Start = Callable[..., HttpAsyncSimulator]


@pytest.fixture
def start() -> Iterator[Start]:
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(running(HttpAsyncSimulator(**options)))


def call(method: str, url: str, **options: Any) -> requests.Response:
    settings = {"auth": AUTH, "timeout": 10, "allow_redirects": False, **options}
    session = requests.Session()
    session.trust_env = False
    request = requests.Request(
        method,
        url,
        auth=settings["auth"],
        json=settings.get("json"),
        data=settings.get("data"),
        headers=settings.get("headers"),
    )
    prepared = session.prepare_request(request)
    prepared.url = url  # exactly as handed out
    return session.send(prepared, timeout=settings["timeout"], allow_redirects=False)


def submit(simulator: HttpAsyncSimulator, convention: str, **options: Any) -> requests.Response:
    headers = {**PREFER, **options.pop("headers", {})}
    return call("POST", simulator.url + SUBMIT[convention], json={"a": 1}, headers=headers, **options)


def monitor(simulator: HttpAsyncSimulator, answer: requests.Response) -> str:
    for header in ("Operation-Location", "Azure-AsyncOperation", "Location"):
        if header in answer.headers:
            return answer.headers[header]
    body = answer.json()
    return body["statusUrl"] if "statusUrl" in body else f"{simulator.url}/google/v1/{body['name']}"


# -- each convention from its start to its end


def test_location(start: Start) -> None:
    simulator = start(processing_seconds=None, retry_after=7)
    answer = submit(simulator, "location")
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "7")
    url = monitor(simulator, answer)
    assert call("GET", url).status_code == 202
    assert call("GET", url.replace("%2F", "/")).status_code == 404  # encoded anew
    simulator.job().finish()
    done = call("GET", url)
    assert (done.status_code, done.json()) == (200, {"rows": 3})
    assert "Retry-After" not in done.headers
    assert simulator.job().body == {"a": 1}


@pytest.mark.parametrize("place", ["same_origin", "presigned"])
def test_location_leads_to_the_result_with_303(start: Start, place: str) -> None:
    simulator = start(processing_seconds=0, place=place)
    answer = call("GET", monitor(simulator, submit(simulator, "location")))
    assert answer.status_code == 303
    target = answer.headers["Location"]
    assert (urlsplit(target).netloc == urlsplit(simulator.url).netloc) is (place == "same_origin")
    assert call("GET", target, auth=AUTH if place == "same_origin" else None).json() == {"rows": 3}
    wrong = call("GET", target, auth=None if place == "same_origin" else AUTH)
    assert wrong.status_code == (401 if place == "same_origin" else 400)


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_location_says_problem_when_the_job_ends_badly(start: Start, outcome: str) -> None:
    simulator = start(processing_seconds=0, outcome=outcome)
    answer = call("GET", monitor(simulator, submit(simulator, "location")))
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("convention", ["azure", "azure_arm"])
@pytest.mark.parametrize(
    ("outcome", "word"), [("succeeded", "Succeeded"), ("failed", "Failed"), ("cancelled", "Canceled")]
)
def test_azure_monitors_always_answer_200(start: Start, convention: str, outcome: str, word: str) -> None:
    simulator = start(processing_seconds=None)
    answer = submit(simulator, convention)
    assert answer.status_code == 202
    url = monitor(simulator, answer)
    assert call("GET", url).json()["status"] == "Running"
    simulator.job().finish(outcome)
    document = call("GET", url).json()
    assert document["status"] == word
    assert ("error" in document) is (outcome == "failed")


@pytest.mark.parametrize(
    ("place", "field"), [("body", "result"), ("same_origin", "resourceLocation"), ("presigned", "properties")]
)
def test_azure_names_the_result(start: Start, place: str, field: str) -> None:
    simulator = start(processing_seconds=0, place=place)
    document = call("GET", monitor(simulator, submit(simulator, "azure"))).json()
    assert set(document) == {"id", "status", field}


def test_azure_resource_manager_has_a_final_get(start: Start) -> None:
    simulator = start(processing_seconds=0)
    answer = submit(simulator, "azure_arm")
    assert call("GET", answer.headers["Location"]).json() == {"rows": 3}
    assert set(call("GET", monitor(simulator, answer)).json()) == {"id", "status"}


@pytest.mark.parametrize(("outcome", "status"), [("succeeded", 200), ("failed", 409)])
def test_azure_location_alone_ends_with_the_final_answer(start: Start, outcome: str, status: int) -> None:
    simulator = start(processing_seconds=None)
    answer = submit(simulator, "azure_location")
    assert "Operation-Location" not in answer.headers
    url = answer.headers["Location"]
    assert call("GET", url).status_code == 202
    simulator.job().finish(outcome)
    assert call("GET", url).status_code == status


@pytest.mark.parametrize(
    ("outcome", "place", "field"),
    [
        ("succeeded", "body", "response"),
        ("succeeded", "presigned", "response"),
        ("failed", "body", "error"),
        ("cancelled", "body", "error"),
    ],
)
def test_google_operations(start: Start, outcome: str, place: str, field: str) -> None:
    simulator = start(processing_seconds=None, place=place)
    answer = submit(simulator, "google")
    assert answer.status_code == 200
    assert "done" not in answer.json()
    url = monitor(simulator, answer)
    assert "done" not in call("GET", url).json()
    simulator.job().finish(outcome)
    operation = call("GET", url).json()
    assert operation["done"] is True
    assert set(operation) == {"name", "metadata", "done", field}
    if field == "error":
        assert operation["error"]["code"] == (1 if outcome == "cancelled" else 8)


def test_odata_is_asynchronous_only_on_request(start: Start) -> None:
    simulator = start(processing_seconds=None)
    plain = call("POST", simulator.url + SUBMIT["odata"])
    assert (plain.status_code, plain.json()) == (200, {"rows": 3})
    answer = submit(simulator, "odata")
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async")
    again = call("GET", answer.headers["Location"])
    assert (again.status_code, again.headers["Location"]) == (202, answer.headers["Location"])


@pytest.mark.parametrize(
    ("outcome", "place", "code"),
    [
        ("succeeded", "body", "200"),
        ("succeeded", "same_origin", "303"),
        ("failed", "body", "500"),
        ("cancelled", "body", "503"),
    ],
)
def test_odata_gives_the_answer_behind_async_result(
    start: Start, outcome: str, place: str, code: str
) -> None:
    simulator = start(processing_seconds=0, outcome=outcome, place=place)
    answer = call("GET", monitor(simulator, submit(simulator, "odata")))
    assert (answer.status_code, answer.headers["AsyncResult"]) == (200, code)
    wrapped = call("GET", monitor(simulator, submit(simulator, "odata40")))
    assert wrapped.headers["Content-Type"] == "application/http"
    assert wrapped.content.startswith(f"HTTP/1.1 {code} ".encode())


def test_odata_forgets_a_job_that_was_cancelled(start: Start) -> None:
    simulator = start(processing_seconds=None)
    url = monitor(simulator, submit(simulator, "odata"))
    assert call("DELETE", url).status_code == 204
    assert call("GET", url).status_code == 404


@pytest.mark.parametrize(
    ("outcome", "place", "fields"),
    [
        ("succeeded", "body", {"result"}),
        ("succeeded", "presigned", {"resultUrl", "resultUrlExpiresInSeconds"}),
        ("failed", "body", {"error"}),
        ("cancelled", "body", set()),
    ],
)
def test_status_field(start: Start, outcome: str, place: str, fields: set[str]) -> None:
    simulator = start(processing_seconds=None, place=place)
    answer = submit(simulator, "status_field")
    assert set(answer.json()) == {"id", "status", "statusUrl", "statusUrlExpiresInSeconds"}
    url = monitor(simulator, answer)
    assert call("GET", url).json()["status"] == "running"
    simulator.job().finish(outcome)
    assert set(call("GET", url).json()) == {"id", "status"} | fields


def test_a_plan_may_have_words_of_its_own(start: Start) -> None:
    simulator = start(processing_seconds=None, words={"running": "IN_ARBEIT", "succeeded": "FERTIG"})
    answer = submit(simulator, "status_field")
    assert answer.json()["status"] == "IN_ARBEIT"
    simulator.job().finish()
    assert call("GET", monitor(simulator, answer)).json()["status"] == "FERTIG"


# -- what all conventions share


@pytest.mark.parametrize(
    "convention", [c for c in SUBMIT if c != "azure_location" and not c.startswith("azure_arm")]
)
def test_a_job_can_be_cancelled_while_it_runs(start: Start, convention: str) -> None:
    simulator = start(processing_seconds=None)
    url = monitor(simulator, submit(simulator, convention))
    how = {"azure": ("POST", ":cancel"), "google": ("POST", ":cancel"), "status_field": ("POST", "/cancel")}
    method, suffix = how.get(convention, ("DELETE", ""))
    base, _, query = url.partition("?")
    target = f"{base}{suffix}?{query}" if query else base + suffix
    assert call(method, target).ok
    assert simulator.job().state == "cancelled"
    assert simulator.journal.noted("job_cancelled") == 1
    assert call(method, target).status_code in (404, 409)


@pytest.mark.parametrize("convention", SUBMIT)
def test_credentials_are_wanted_everywhere(start: Start, convention: str) -> None:
    simulator = start(api_key="k", processing_seconds=None)
    assert submit(simulator, convention, auth=None).status_code == 401
    assert submit(simulator, convention, auth=("http-user", "no")).status_code == 401
    assert submit(simulator, convention).status_code == 403
    answer = submit(simulator, convention, headers={"X-API-Key": "k"})
    assert call("GET", monitor(simulator, answer), auth=None).status_code == 401
    assert (
        call("GET", f"{simulator.url}/{convention}/results/{simulator.job().id}", auth=None).status_code
        == 401
    )


def test_credentials_may_be_switched_off(start: Start) -> None:
    simulator = start(login=None)
    assert submit(simulator, "location", auth=None).status_code == 202
    assert "login" not in simulator.airflow_connection()


@pytest.mark.parametrize("convention", ["location", "azure", "odata", "status_field"])
def test_addresses_may_be_relative(start: Start, convention: str) -> None:
    simulator = start(relative_urls=True, processing_seconds=None)
    assert monitor(simulator, submit(simulator, convention)).startswith(f"/{convention}/")


@pytest.mark.parametrize("convention", ["location", "odata"])
def test_a_monitor_may_move(start: Start, convention: str) -> None:
    simulator = start(moving=True, processing_seconds=None)
    first = monitor(simulator, submit(simulator, convention))
    second = call("GET", first).headers["Location"]
    assert second != first
    assert call("GET", first).status_code == 404
    assert call("GET", second).status_code == 202


def test_a_monitor_may_be_late(start: Start) -> None:
    simulator = start(not_found_first=2, processing_seconds=None)
    url = monitor(simulator, submit(simulator, "location"))
    assert [call("GET", url).status_code for _ in range(3)] == [404, 404, 202]


def test_retry_after_may_be_a_date_or_nonsense(start: Start) -> None:
    simulator = start(retry_after=30, retry_after_as_date=True, processing_seconds=None)
    assert submit(simulator, "location").headers["Retry-After"].endswith("GMT")
    simulator.script(retry_after="soon")
    assert submit(simulator, "location").headers["Retry-After"] == "soon"


@pytest.mark.parametrize("convention", SUBMIT)
def test_any_convention_may_answer_at_once(start: Start, convention: str) -> None:
    simulator = start(synchronous=True)
    answer = submit(simulator, convention)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["response"] if convention == "google" else body) == {"rows": 3}


@pytest.mark.parametrize("convention", ["location", "google"])
def test_what_fails_at_once_says_so(start: Start, convention: str) -> None:
    simulator = start(synchronous=True, outcome="failed")
    answer = submit(simulator, convention)
    assert answer.status_code == (200 if convention == "google" else 422)
    assert "error" in answer.json()


@pytest.mark.parametrize(("seconds", "status"), [(0.05, 200), (None, 202)])
def test_prefer_wait_is_granted_if_the_job_is_quick(start: Start, seconds: float | None, status: int) -> None:
    simulator = start(processing_seconds=seconds)
    wait = 1 if seconds is None else 10
    answer = submit(simulator, "location", headers={"Prefer": f"respond-async, wait={wait}"})
    assert answer.status_code == status


def test_an_unknown_job_is_not_found(start: Start) -> None:
    simulator = start(processing_seconds=0)
    submit(simulator, "status_field")
    job = simulator.job()
    assert call("GET", f"{simulator.url}/status_field/jobs/unknown").status_code == 404
    assert call("GET", f"{simulator.url}/azure/results/{job.id}").status_code == 404
    assert call("DELETE", f"{simulator.url}/status_field/jobs/unknown").status_code == 404


def test_a_result_is_not_there_before_the_end(start: Start) -> None:
    simulator = start(processing_seconds=None)
    answer = submit(simulator, "azure_arm")
    assert call("GET", answer.headers["Location"]).status_code == 404


def test_broken_json_is_refused(start: Start) -> None:
    simulator = start()
    headers = {"Content-Type": "application/json"}
    answer = call("POST", simulator.url + SUBMIT["location"], data=b"{", headers=headers)
    assert answer.status_code == 400
    assert call("POST", simulator.url + SUBMIT["location"], data=b"a=b").status_code == 202


def test_results_may_be_large_or_no_json(start: Start) -> None:
    simulator = start(
        processing_seconds=0, result_bytes=3_000_000, result_content_type="application/octet-stream"
    )
    body = call("GET", monitor(simulator, submit(simulator, "location"))).content
    assert hashlib.sha256(body).hexdigest() == simulator.actions()["sha256_of"]()
    simulator.script(result="a;b\n", result_content_type="text/csv", result_bytes=None)
    answer = call("GET", monitor(simulator, submit(simulator, "location")))
    assert (answer.text, answer.headers["Content-Type"]) == ("a;b\n", "text/csv")
    simulator.script(result="a;b\n", result_content_type="text/csv", result_bytes=None)
    assert call("GET", monitor(simulator, submit(simulator, "google"))).json()["response"] == "a;b\n"


# -- Idempotency-Key


def keyed(simulator: HttpAsyncSimulator, key: str | None, body: Any = None) -> requests.Response:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return call("POST", simulator.url + SUBMIT["location"], json=body or {"a": 1}, headers=headers)


def test_the_same_key_brings_the_same_answer_and_no_second_job(start: Start) -> None:
    simulator = start()
    first, second = keyed(simulator, '"k"'), keyed(simulator, '"k"')
    assert (first.status_code, first.headers["Location"]) == (second.status_code, second.headers["Location"])
    assert simulator.journal.jobs_started == 1
    assert simulator.journal.noted("idempotent_replay") == 1
    assert keyed(simulator, '"other"').headers["Location"] != first.headers["Location"]


def test_a_synchronous_answer_is_repeated_whole(start: Start) -> None:
    simulator = start(synchronous=True)
    assert keyed(simulator, '"k"').json() == keyed(simulator, '"k"').json() == {"rows": 3}


def test_a_reused_key_is_refused(start: Start) -> None:
    simulator = start()
    keyed(simulator, '"k"')
    assert keyed(simulator, '"k"', {"a": 2}).status_code == 422


@pytest.mark.parametrize("key", ["k", '"k', '"a"b"', '"ü"'.encode().decode("latin-1"), ""])
def test_a_key_that_is_no_quoted_string_is_refused(start: Start, key: str) -> None:
    assert keyed(start(), key).status_code == 400


def test_a_missing_key_is_refused_where_it_is_required(start: Start) -> None:
    assert keyed(start(idempotency="required"), None).status_code == 400
    assert keyed(start(), None).status_code == 202
    ignoring = start(idempotency="ignored")
    assert keyed(ignoring, "no string").status_code == 202


def test_a_key_in_progress_is_a_conflict_and_then_an_answer(start: Start) -> None:
    simulator = start(accepting_seconds=0.5)
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(keyed(simulator, '"k"')))
    thread.start()
    assert simulator.journal.wait(lambda journal: journal.submits == 1)
    conflict = keyed(simulator, '"k"')
    thread.join(10)
    assert (conflict.status_code, conflict.headers["Retry-After"]) == (409, "1")
    assert keyed(simulator, '"k"').headers["Location"] == answers[0].headers["Location"]
    assert simulator.journal.jobs_started == 1


def test_a_key_whose_request_was_broken_off_may_come_again(start: Start) -> None:
    simulator = start(accepting_seconds=0.3)
    with pytest.raises(requests.exceptions.ReadTimeout):
        call(
            "POST",
            simulator.url + SUBMIT["location"],
            json={"a": 1},
            headers={"Idempotency-Key": '"k"'},
            timeout=0.05,
        )
    assert simulator.journal.wait(lambda journal: all(e.done for e in journal.entries("submit")))
    assert keyed(simulator, '"k"').status_code == 202
    assert simulator.journal.jobs_started == 1


# -- callbacks


class Receiver:
    """A caller's end: answers as told, remembers what came."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[tuple[Headers, bytes]] = []
        statuses_left = list(statuses)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((Headers(self.headers.items()), body))
                self.send_response(statuses_left.pop(0) if statuses_left else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/callback"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()


def accepted(simulator: HttpAsyncSimulator, times: int = 1) -> bool:
    return simulator.journal.wait(lambda journal: journal.noted("callback_accepted") >= times)


@pytest.mark.parametrize("where", ["body", "header"])
@pytest.mark.parametrize("convention", SUBMIT)
def test_a_callback_comes_at_the_end(start: Start, convention: str, where: str) -> None:
    simulator = start(processing_seconds=None)
    with Receiver() as receiver:
        wish = {"callbackUrl": receiver.url} if where == "body" else {}
        headers = {"X-Callback-Url": receiver.url, **PREFER} if where == "header" else PREFER
        assert call("POST", simulator.url + SUBMIT[convention], json=wish, headers=headers).ok
        assert receiver.got == []
        simulator.job().finish()
        assert accepted(simulator)
    document = json.loads(receiver.got[0][1])
    assert simulator.job().id in json.dumps(document)
    if convention not in ("location", "azure_location", "odata", "odata40"):
        assert document.get("done") or document["status"] in ("Succeeded", "completed")


@pytest.mark.parametrize("signature", ["hmac", "standard"])
def test_a_callback_is_signed(start: Start, signature: str) -> None:
    simulator = start(processing_seconds=0, callback_signature=signature)
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with Receiver() as receiver:
        call("POST", simulator.url + SUBMIT["status_field"], json={"callbackUrl": receiver.url})
        assert accepted(simulator)
    headers, body = receiver.got[0]
    if signature == "hmac":
        assert HmacScheme("X-Signature", "sha256=", encoding="hex").verify(key, headers, body)
        assert headers["X-Signature"] == "sha256=" + hmac.new(key.encode(), body, "sha256").hexdigest()
    else:
        now = float(headers["webhook-timestamp"])
        assert SCHEMES["standard-webhooks"].verify(key, headers, body, now=now)
        assert not SCHEMES["standard-webhooks"].verify(key, headers, body + b" ", now=now)


def test_a_refused_callback_is_sent_again_with_the_same_id(start: Start) -> None:
    simulator = start(processing_seconds=0, callback_signature="standard", callback_pause=0.01)
    with Receiver(503, 500) as receiver:
        call("POST", simulator.url + SUBMIT["location"], json={"callbackUrl": receiver.url})
        assert accepted(simulator)
    assert simulator.callbacks.answers == [503, 500, 200]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


def test_a_callback_may_come_twice(start: Start) -> None:
    simulator = start(processing_seconds=0, callback_copies=2)
    with Receiver() as receiver:
        call("POST", simulator.url + SUBMIT["location"], json={"callbackUrl": receiver.url})
        assert accepted(simulator, 2)
    assert receiver.got[0][1] == receiver.got[1][1]


def test_a_callback_that_nobody_takes_is_given_up(start: Start) -> None:
    simulator = start(processing_seconds=0, callback_tries=2, callback_pause=0.01)
    with Receiver() as receiver:
        nobody = receiver.url
    call("POST", simulator.url + SUBMIT["location"], json={"callbackUrl": nobody})
    assert simulator.journal.wait(lambda journal: journal.noted("callback_given_up") == 1)
    assert simulator.callbacks.answers == [None, None]


# -- driving it


def test_scripts_plans_and_control_routes(start: Start) -> None:
    simulator = start(plans={"google": {"outcome": "failed"}}, processing_seconds=0)
    simulator.script(convention="location", result={"special": 1})
    assert call("GET", monitor(simulator, submit(simulator, "azure"))).json()["result"] == {"rows": 3}
    assert call("GET", monitor(simulator, submit(simulator, "location"))).json() == {"special": 1}
    assert call("GET", monitor(simulator, submit(simulator, "location"))).json() == {"rows": 3}
    assert "error" in call("GET", monitor(simulator, submit(simulator, "google"))).json()
    described = call("GET", simulator.url + "/_sim").json()
    assert [job["convention"] for job in described["jobs"]] == ["azure", "location", "location", "google"]
    simulator.script(processing_seconds=None)
    submit(simulator, "location")
    action = call("POST", simulator.url + "/_sim/actions/finish_job", json={"outcome": "failed"})
    assert action.ok
    assert simulator.job().state == "failed"
    simulator.job().finish("succeeded")  # too late
    assert simulator.job().state == "failed"
    simulator.reset()
    assert simulator.jobs == []


def test_the_clock_can_be_put_forward(start: Start) -> None:
    simulator = start(processing_seconds=3600, place="presigned", result_expires=300)
    url = monitor(simulator, submit(simulator, "status_field"))
    simulator.clock.advance(3601)
    document = call("GET", url).json()
    assert 290 <= document["resultUrlExpiresInSeconds"] <= 300
    simulator.clock.advance(301)
    assert call("GET", url).json()["resultUrlExpiresInSeconds"] == -1
    assert call("GET", document["resultUrl"], auth=None).status_code == 403


def test_faults_strike_by_kind(start: Start) -> None:
    simulator = start(processing_seconds=None)
    simulator.faults.add("status", "http_status", status=503, retry_after=2)
    url = monitor(simulator, submit(simulator, "azure"))
    assert [call("GET", url).status_code for _ in range(2)] == [503, 200]


@pytest.mark.parametrize(
    "options",
    [
        {"outcome": "completed"},
        {"place": "elsewhere"},
        {"processing_seconds": -1},
        {"colour": "red"},
        {"words": {"colour": "red"}},
        {"plans": {"soap": {}}},
        {"plans": {"azure": {"colour": "red"}}},
        {"idempotency": "maybe"},
        {"callback_signature": "rot13"},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"known are|cannot be|has no|no word|is one of"):
        HttpAsyncSimulator(**options)


def test_a_job_cannot_be_told_nonsense() -> None:
    simulator = HttpAsyncSimulator()
    with pytest.raises(LookupError):
        simulator.job()
    from airflow_async_provider.simulators._http_jobs import HttpJob, Plan

    job = HttpJob(number=0, convention="x", body=None, plan=Plan(processing_seconds=None), now=lambda: 0.0)
    with pytest.raises(ValueError, match="unknown outcome"):
        job.finish("exploded")
    with pytest.raises(ValueError, match="has not ended"):
        _ = job.ended_at
    with pytest.raises(RuntimeError, match="not running"):
        _ = simulator.url


def test_the_command_line(start: Start) -> None:
    arguments = build_parser().parse_args(
        [
            "http",
            "--place",
            "presigned",
            "--no-credentials",
            "--idempotency",
            "required",
            "--plan",
            'google={"outcome": "failed"}',
        ]
    )
    simulator = load("http").from_arguments(arguments)
    assert isinstance(simulator, HttpAsyncSimulator)
    with running(simulator):
        answer = call("POST", simulator.url + SUBMIT["google"], headers={"Idempotency-Key": '"k"'}, auth=None)
        assert answer.status_code == 200
        simulator.job().finish("succeeded")
        assert "outputUri" in call("GET", monitor(simulator, answer), auth=None).json()["response"]


@pytest.mark.parametrize("http_async_simulator", [{"api_key": "k"}], indirect=True)
def test_the_fixtures_give_a_simulator_and_a_connection(
    http_async_simulator: HttpAsyncSimulator, http_async_connection: str
) -> None:
    defined = json.loads(os.environ[f"AIRFLOW_CONN_{http_async_connection.upper()}"])
    assert defined == http_async_simulator.airflow_connection()
    assert (defined["login"], defined["extra"]) == ("http-user", {"X-API-Key": "k"})
