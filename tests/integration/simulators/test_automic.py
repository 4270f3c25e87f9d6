# SPDX-License-Identifier: Apache-2.0
"""The simulated Automic, asked over real sockets: every rule it enforces, and what it answers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from airflow_async_provider.simulators.__main__ import build_parser
from airflow_async_provider.simulators._automic_callbacks import PAYLOADS
from airflow_async_provider.simulators._automic_runs import OBJECTS, Plan
from airflow_async_provider.simulators.automic import AutomicSimulator
from airflow_async_provider.simulators.frame import running

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

TIMEOUT = 10
PASSWORD = "päss§word"


def basic(login: str, password: str = PASSWORD, encoding: str = "iso-8859-1") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{login}:{password}".encode(encoding)).decode()}


USER = basic("AIRFLOW/AF")


class Api:
    """The simulator as a plain HTTP client sees it."""

    def __init__(self, simulator: AutomicSimulator) -> None:
        self.simulator = simulator
        self.base = simulator.url + "/ae/api/v1/100/"

    def get(self, path: str, **params: Any) -> requests.Response:
        return requests.get(self.base + path, params=params, headers=USER, timeout=TIMEOUT)

    def post(self, path: str, body: Any) -> requests.Response:
        return requests.post(self.base + path, json=body, headers=USER, timeout=TIMEOUT)

    def start(self, name: str = "JOBS.OK", **body: Any) -> int:
        answer = self.post("executions", {"object_name": name, **body})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["run_id"])

    def status(self, run_id: int) -> int:
        return int(self.get(f"executions/{run_id}").json()["status"])

    def list(self, **params: Any) -> list[int]:
        return [entry["run_id"] for entry in self.get("executions", **params).json()["data"]]


@pytest.fixture
def start() -> Iterator[Callable[..., Api]]:
    with contextlib.ExitStack() as stack:
        yield lambda **options: Api(stack.enter_context(running(AutomicSimulator(**options))))


@pytest.fixture
def ae(start) -> Api:
    return start()


class Receiver:
    """Takes callbacks, answers with the statuses it is given, then with 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.came = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.came:
                    receiver.requests.append((self.path, dict(self.headers), body))
                    status = receiver.answers.pop(0) if receiver.answers else 200
                    receiver.came.notify_all()
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/cb"

    def wait(self, count: int, seconds: float = 10.0) -> list[Any]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.requests) >= count, seconds), self.requests
            return [json.loads(body) for _, _, body in self.requests]

    def subscription(self, **headers: str) -> dict[str, Any]:
        return {"type": "http", "http": {"url": self.url, **({"headers": headers} if headers else {})}}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join(TIMEOUT)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- who may call


@pytest.mark.parametrize(
    "headers",
    [
        USER,
        basic("100/AIRFLOW/AF"),
        basic("0100/airflow/af"),
        {"Authorization": "Bearer automic-token"},
    ],
)
@pytest.mark.parametrize("client", ["100", "0100"])
def test_those_who_may_call(ae, headers, client):
    answer = requests.get(
        f"{ae.simulator.url}/ae/api/v1/{client}/executions", headers=headers, timeout=TIMEOUT
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({}, "100"),
        (basic("AIRFLOW/AF", encoding="utf-8"), "100"),  # Automic reads ISO-8859-1
        (basic("AIRFLOW/AF", "wrong"), "100"),
        (basic("AIRFLOW"), "100"),
        (basic("200/AIRFLOW/AF"), "100"),
        (basic("x/AIRFLOW/AF"), "100"),
        (USER, "200"),
        (USER, "abc"),
        ({"Authorization": "Basic ###"}, "100"),
        ({"Authorization": "Bearer wrong"}, "100"),
        ({"Authorization": "Digest x"}, "100"),
    ],
)
def test_those_who_may_not(ae, headers, client):
    answer = requests.get(
        f"{ae.simulator.url}/ae/api/v1/{client}/executions", headers=headers, timeout=TIMEOUT
    )
    assert answer.status_code == 401
    assert answer.json() == {
        "code": 45254,
        "error": "The credentials are not valid.",
        "details": "No detail information available.",
    }


def test_ping_asks_for_nothing_and_health_tells_by_its_status(ae):
    ping = requests.get(ae.simulator.url + "/ae/api/v1/ping", timeout=TIMEOUT)
    assert (ping.status_code, ping.content) == (200, b"")
    assert ae.get("system/health").json()["status"] == "UP"
    ae.simulator.set_health(healthy=False)
    assert ae.get("system/health").status_code == 503


def test_ilm_refuses_everything_but_ping(ae):
    ae.simulator.set_health(ilm=True)
    answer = ae.get("executions")
    assert (answer.status_code, "ILM" in answer.json()["error"]) == (503, True)
    assert requests.get(ae.simulator.url + "/ae/api/v1/ping", timeout=TIMEOUT).status_code == 200


# -- starting


def test_a_run_goes_its_way(start):
    ae = start(run_seconds=60)
    run_id = ae.start("JOBS.OK", alias="JOBS.OK#AF-1", inputs={"A#": "1", "B#": ["x", "y"]}, queue="Q")
    record = ae.get(f"executions/{run_id}").json()
    assert record["status"] == 1550
    assert "end_time" not in record
    assert {k: record[k] for k in ("name", "type", "alias", "queue", "user", "run_id", "parent")} == {
        "name": "JOBS.OK",
        "type": "JOBS",
        "alias": "JOBS.OK#AF-1",
        "queue": "Q",
        "user": "AIRFLOW/AF",
        "run_id": run_id,
        "parent": 0,
    }
    ae.simulator.clock.advance(61)
    record = ae.get(f"executions/{run_id:010}").json()
    assert (record["status"], record["status_text"]) == (1900, "ENDED_OK - ended normally")
    assert record["runtime"] == 60
    assert record["end_time"] > record["start_time"]
    assert ae.simulator.journal.jobs_started == 1
    assert ae.get(f"executions/{run_id}/variables").json() == {"A#": "1", "B#": ["x", "y"]}


@pytest.mark.parametrize(
    "raw",
    [
        # the vendor's own example has these commas
        b'{"object_name": "JOBS.X", "callback": {"type": "http", "http": {"url": "https://a/b",},},}',
        b"",
        b"[]",
    ],
)
def test_json_that_cannot_be_read_gives_the_500_of_the_field_report(ae, raw):
    answer = requests.post(
        ae.base + "executions",
        data=raw,
        headers={**USER, "Content-Type": "application/json"},
        timeout=TIMEOUT,
    )
    assert answer.status_code == 500
    assert ae.simulator.journal.jobs_started == 0


def test_another_media_type_is_refused(ae):
    answer = requests.post(ae.base + "executions", data={"object_name": "X"}, headers=USER, timeout=TIMEOUT)
    assert answer.status_code == 415


GOOD_CALLBACK = {"type": "http", "http": {"url": "https://a/b"}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"object_name": ""},
        {"object_name": 5},
        {"object_name": "X", "unheard_of": 1},
        {"object_name": "X", "alias": "has blank"},
        {"object_name": "X", "alias": "A" * 201},
        {"object_name": "X", "inputs": {"N#": 5}},
        {"object_name": "X", "inputs": {"N#": ["a", 5]}},
        {"object_name": "X", "inputs": ["N#"]},
        {"object_name": "X", "execution_option": "twice"},
        {"object_name": "X", "execution_option": "once"},
        {"object_name": "X", "once": {}},
        {"object_name": "X", "execution_option": "once", "once": {"at": "now"}},
        {"object_name": "X", "execution_option": "once", "once": {"execution_date_time": "tomorrow"}},
        {"object_name": "X", "execution_option": "recurring", "recurring": {"often": True}},
        {"object_name": "X", "callback": {"type": "mail", "http": {"url": "https://a/b"}}},
        {"object_name": "X", "callback": {"type": "http"}},
        {"object_name": "X", "callback": {"type": "http", "http": {}}},
        {"object_name": "X", "callback": {"type": "http", "http": {"url": "ftp://a/b"}}},
        {
            "object_name": "X",
            "callback": {"type": "http", "http": {"url": "https://a/b", "headers": {"A": 1}}},
        },
        {"object_name": "X", "callback": {"type": "http", "http": {"url": "https://a/b", "headers": []}}},
    ],
)
def test_starts_that_make_no_sense(ae, body):
    answer = ae.post("executions", body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "error", "details"}
    assert ae.simulator.runs == []


def test_unknown_fields_can_be_let_through(start):
    start(unknown_fields=True).start("X", master="M")


@pytest.mark.parametrize(("name", "status"), [("UNKNOWN.OBJECT", 404), ("DENIED.OBJECT", 403)])
def test_objects_that_cannot_be_started(ae, name, status):
    answer = ae.post("executions", {"object_name": name})
    assert answer.status_code == status
    assert answer.json()["code"] not in (11049, 11191)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("JOBS.ANYTHING", 1900),
        ("JOBS.FAIL", 1800),
        ("JOBS.LOST", 1815),
        ("JOBS.CANCELLED", 1850),
        ("JOBS.EMPTY", 1912),
        ("JOBS.INACTIVE", 1922),
        ("JOBS.SKIPPED", 1930),
        ("JOBS.TIMEOUT", 1940),
        ("JOBP.BLOCKED", 1560),
        ("JOBS.FOREVER", 1550),
    ],
)
def test_objects_with_a_fate(start, name, status):
    ae = start(run_seconds=0)
    assert ae.status(ae.start(name)) == status


def test_what_a_script_says_counts_once(ae):
    ae.simulator.script(run_seconds=0, status=1815, status_text="ENDED_LOST")
    ae.simulator.script(object_name="JOBS.B", phases=[[0, 1696]])
    a, b, c = ae.start("JOBS.A"), ae.start("JOBS.B"), ae.start("JOBS.C")
    assert ae.get(f"executions/{a}").json()["status_text"] == "ENDED_LOST"
    assert (ae.status(b), ae.status(c)) == (1696, 1550)


def test_later_starts(start):
    ae = start(run_seconds=5)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    later = ae.start("JOBS.A", execution_option="once", once={"execution_date_time": moment})
    held = ae.start("JOBS.B", execution_option="once", once={"wait_for_manual_release": True})
    assert (ae.status(later), ae.status(held)) == (1698, 1693)
    ae.simulator.clock.advance(3601)
    assert (ae.status(later), ae.status(held)) == (1550, 1693)
    ae.simulator.go_on(held)
    assert ae.status(held) == 1550


def test_a_callback_needs_a_running_simulator():
    simulator = AutomicSimulator()
    run = simulator.tasks.start("JOBS.A", Plan(), {"callback": GOOD_CALLBACK})
    with pytest.raises(RuntimeError, match="not running"):
        asyncio.run(simulator.sender.post(run))


def test_a_recurring_start_is_one_period_task(ae, receiver):
    run_id = ae.start(
        "JOBS.A",
        execution_option="recurring",
        recurring={"execute_after": "PT5M"},
        callback=receiver.subscription(),
    )
    record = ae.get(f"executions/{run_id}").json()
    assert (record["type"], record["status"]) == ("C_PERIOD", 1550)
    ae.simulator.finish_run(run_id, status=1944)
    ae.simulator.finish_run(ae.start("JOBS.B", callback=receiver.subscription()))
    receiver.wait(1)
    assert ae.simulator.journal.noted("callback_sent") == 1  # that of JOBS.B: a recurring one gets none


# -- reading


@pytest.mark.parametrize("run_id", ["999", "abc", "0"])
@pytest.mark.parametrize("rest", ["", "/reports", "/reports/REP", "/variables", "/comments", "/children"])
def test_runs_that_nobody_knows(ae, run_id, rest):
    answer = ae.get(f"executions/{run_id}{rest}")
    assert (answer.status_code, answer.json()["code"]) == (404, 11049)


def test_forgotten_and_deactivated_runs(start):
    ae = start(run_seconds=0)
    kept, hidden, gone = ae.start("JOBS.OK"), ae.start("JOBS.DEACTIVATED"), ae.start("JOBS.GONE")
    assert ae.list() == [kept]
    assert ae.list(include_deactivated="true") == [hidden, kept]
    assert ae.status(hidden) == 1900
    assert ae.get(f"executions/{gone}").status_code == 404
    ae.simulator.deactivate_run(kept)
    ae.simulator.forget_run(hidden)
    assert ae.list() == []
    assert ae.list(include_deactivated="true") == [kept]


@pytest.fixture
def filled(start) -> Api:
    ae = start(run_seconds=0)
    ae.start("JOBS.A", alias="A#1", queue="FAST")
    ae.start("JOBS.B", alias="B#1")
    ae.simulator.clock.advance(100)
    ae.start("JOBP.OK")  # and three children
    ae.start("JOBS.FAIL")
    return ae


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"name": "JOBS.?"}, []),
        ({"name": "jobs.a"}, ["JOBS.A"]),
        ({"name": "JOBP*"}, ["JOBP.OK.CHILD3", "JOBP.OK.CHILD2", "JOBP.OK.CHILD1", "JOBP.OK"]),
        ({"name": "JOBP*", "name_exclude": "true"}, ["JOBS.FAIL", "JOBS.B", "JOBS.A"]),
        ({"alias": "*#1"}, ["JOBS.B", "JOBS.A"]),
        ({"type": "JOBP"}, ["JOBP.OK"]),
        ({"type": "JOBP,JOBS", "status": "1800"}, ["JOBS.FAIL"]),
        ({"status": ["1800", "1900"], "queue": "FAST"}, ["JOBS.A"]),
        ({"run_id": "1000001"}, ["JOBS.A"]),
        ({"user": "AIR*", "queue": "FAST"}, ["JOBS.A"]),
        ({"commented_only": "true"}, []),
        ({"time_frame_option": "start", "time_frame_to": "2001-01-01T00:00:00Z"}, []),
        ({"time_frame_from": "2001-01-01T00:00:00Z", "queue": "FAST"}, ["JOBS.A"]),
        ({"reference_run_id": "1000001"}, []),
        ({"modified_only": "true", "queue": "FAST"}, ["JOBS.A"]),
        ({"unknown_parameter": "x", "queue": "FAST"}, ["JOBS.A"]),
    ],
)
def test_filters(filled, params, names):
    assert [entry["name"] for entry in filled.get("executions", **params).json()["data"]] == names


@pytest.mark.parametrize(
    "params",
    [
        {"name": ["A", "B"]},
        {"max_results": "0"},
        {"max_results": "many"},
        {"run_id": "1,2"},
        {"include_deactivated": "yes"},
        {"time_frame_from": "2026-01-01"},
        {"time_frame_option": "never"},
    ],
)
def test_filters_that_make_no_sense(filled, params):
    assert filled.get("executions", **params).status_code == 400


def test_pages_of_the_list(filled):
    first = filled.get("executions", max_results=3).json()
    assert (first["total"], first["hasmore"]) == (7, True)
    ids = [entry["run_id"] for entry in first["data"]]
    second = filled.get("executions", max_results=3, start_at_run_id=ids[-1]).json()
    third = filled.get("executions", max_results=3, start_at_run_id=second["data"][-1]["run_id"]).json()
    assert (second["hasmore"], third["hasmore"]) == (True, False)
    ids += [entry["run_id"] for entry in second["data"] + third["data"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 7
    assert "hasmore" not in filled.get("executions").json()


def test_children_are_paged_too(filled):
    parent = filled.list(type="JOBP")[0]
    answer = filled.get(f"executions/{parent}/children", max_results=2).json()
    assert (answer["total"], answer["hasmore"], len(answer["data"])) == (3, True, 2)
    assert {entry["parent"] for entry in answer["data"]} == {parent}


def test_reports(start):
    ae = start(run_seconds=10)
    run_id = ae.start("JOBS.FAIL")
    assert ae.get(f"executions/{run_id}/reports").json()[1] == {"type": "REP", "is_db": False}
    assert ae.get(f"executions/{run_id}/reports/REP").status_code == 404
    ae.simulator.clock.advance(11)
    listed = ae.get(f"executions/{run_id}/reports").json()
    assert [(entry["type"], entry["is_db"]) for entry in listed] == [("ACT", True), ("REP", True)]
    assert all("end_timestamp" in entry for entry in listed)
    report = ae.get(f"executions/{run_id}/reports/REP").json()
    assert (report["total"], report["hasmore"], [p["page"] for p in report["data"]]) == (2, True, [1])
    report = ae.get(f"executions/{run_id}/reports/REP", max_results=5, start_at=2).json()
    assert [p["content"] for p in report["data"]] == ["error: exit code 1\n"]
    assert ae.get(f"executions/{run_id}/reports/REP", start_at=3).json()["data"] == []
    assert ae.get(f"executions/{run_id}/reports/REP", max_results=0).json()["data"] == []
    assert "1800" in ae.get(f"executions/{run_id}/reports/ACT").json()["data"][0]["content"]
    assert ae.get(f"executions/{run_id}/reports/LOG").status_code == 404


def test_comments(ae):
    run_id = ae.start()
    assert ae.get(f"executions/{run_id}/comments").json() == []
    assert ae.post(f"executions/{run_id}/comments", {"comment": "from a test"}).status_code == 200
    assert ae.post(f"executions/{run_id}/comments", {"comment": ""}).status_code == 400
    (comment,) = ae.get(f"executions/{run_id}/comments").json()
    assert (comment["user"], comment["comment"]) == ("AIRFLOW/AF", "from a test")
    assert ae.list(commented_only="true") == [run_id]


# -- changing


def test_cancelling(start):
    ae = start(run_seconds=None)
    run_id = ae.start("JOBS.A")
    answer = ae.post(f"executions/{run_id}/status", {"action": "cancel"})
    assert (answer.status_code, answer.json()) == (200, {})
    assert ae.status(run_id) == 1571
    ae.simulator.clock.advance(1)
    assert ae.status(run_id) == 1850
    answer = ae.post(f"executions/{run_id}/status", {"action": "cancel"})
    assert (answer.status_code, answer.json()["code"]) == (403, 11191)
    assert ae.simulator.journal.noted("job_cancelled") == 1


def test_only_what_has_children_is_cancelled_recursively(ae):
    recursive = {"action": "cancel", "cancel": {"recursive": "true"}}
    job = ae.start("JOBS.FOREVER")
    assert ae.post(f"executions/{job}/status", recursive).status_code == 400
    alone, together = ae.start("JOBP.FOREVER"), ae.start("JOBP.FOREVER")
    ended = ae.simulator.run(together).children[0]
    ended.set_status(1900)
    ae.post(f"executions/{alone}/status", {"action": "cancel"})
    ae.post(f"executions/{together}/status", recursive)
    ae.simulator.clock.advance(1)

    def children(run_id: int) -> list[int]:
        return [c["status"] for c in ae.get(f"executions/{run_id}/children").json()["data"]]

    assert (ae.status(alone), children(alone)) == (1850, [1550, 1550])
    assert (ae.status(together), children(together)) == (1850, [1851, 1900])


def test_a_blocked_workflow_stays_until_somebody_acts(start):
    ae = start(run_seconds=0)
    run_id = ae.start("JOBP.BLOCKED")
    ae.simulator.clock.advance(10_000)
    assert ae.status(run_id) == 1560
    assert ae.simulator.run(run_id).children[0].status == 1800
    ae.simulator.go_on(run_id)
    assert ae.status(run_id) == 1900


@pytest.mark.parametrize("body", [{"action": "quit"}, {}])
def test_other_actions_are_not_known(ae, body):
    assert ae.post(f"executions/{ae.start()}/status", body).status_code == 400


@pytest.mark.parametrize("reference", ["before", "original"])
def test_restarting(start, reference):
    ae = start(run_seconds=0, restart_reference=reference)
    first = ae.start("JOBS.FAIL", alias="A", inputs={"A#": "1", "B#": "1"})
    body = {"action": "RESTART", "restart": {"inputs": {"B#": "2"}}}
    second = ae.post(f"executions/{first}/status", body).json()["run_id"]
    third = ae.post(f"executions/{second}/status", {"action": "restart"}).json()["run_id"]
    assert len({first, second, third}) == 3
    assert ae.get(f"executions/{second}").json()["reference_run_id"] == first
    assert (
        ae.get(f"executions/{third}").json()["reference_run_id"]
        == {"before": second, "original": first}[reference]
    )
    assert ae.get(f"executions/{second}/variables").json() == {"A#": "1", "B#": "2"}
    assert ae.list(alias="A") == [third, second, first]


def test_a_run_that_has_not_ended_is_not_restarted(ae):
    answer = ae.post(f"executions/{ae.start('JOBS.FOREVER')}/status", {"action": "restart"})
    assert (answer.status_code, answer.json()["code"]) == (403, 11191)


def test_somebody_in_automic_restarts(start):
    ae = start(run_seconds=0)
    first = ae.start("JOBS.RESTARTED")
    (second,) = ae.list(reference_run_id=first)
    assert (ae.status(first), ae.status(second)) == (1800, 1900)
    assert ae.list(reference_run_id=second) == []
    again = ae.simulator.restart_run(second)
    assert ae.list(reference_run_id=second) == [again]


# -- callbacks


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("padded", {"runid": "0001000001", "object_type": "JOBS", "execution_status": "1800"}),
        ("numbers", {"run_id": 1000001, "object_type": "JOBS", "execution_status": 1800}),
        ("named", {"run_id": 1000001, "name": "JOBS.FAIL", "status": 1800}),
    ],
)
def test_the_default_payloads_and_the_headers(start, receiver, payload, expected):
    ae = start(payload=payload, run_seconds=0)
    ae.start("JOBS.FAIL", callback=receiver.subscription(Authorization="Bearer s3cret", X_Mine="1"))
    assert receiver.wait(1) == [expected]
    path, headers, _ = receiver.requests[0]
    assert (path, headers["Authorization"], headers["X_Mine"]) == ("/cb", "Bearer s3cret", "1")
    assert headers["Content-Type"] == "application/json"
    assert "s3cret" not in json.dumps(ae.simulator.describe())
    assert set(PAYLOADS) == {"padded", "numbers", "named"}


def test_a_template(start, receiver):
    template = (
        '{"id": "&$RUNID#", "st": "&$EXECUTION_STATUS#", "text": "&$EXECUTION_STATUS_TEXT#",'
        ' "c": "&$CLIENT#", "u": "&$USER#/&$DEPARTMENT#", "err": "&$LAST_ERROR_MESSAGE#",'
        ' "v": "&VAR1#", "none": "&NOPE#"}'
    )
    ae = start(
        template=template, run_seconds=0, objects={"JOBS.FAIL": {"status": 1800, "variables": {"VAR1#": "x"}}}
    )
    ae.start("JOBS.FAIL", callback=receiver.subscription())
    (payload,) = receiver.wait(1)
    assert payload == {
        "id": "0001000001",
        "st": "1800",
        "text": "ENDED_NOT_OK - aborted",
        "c": "0100",
        "u": "AIRFLOW/AF",
        "err": "",
        "v": "x",
        "none": "",
    }


def test_a_callback_comes_at_the_end_and_not_before(start, receiver):
    ae = start(run_seconds=None)
    run_id = ae.start("JOBS.A", callback=receiver.subscription())
    blocked = ae.start("JOBP.A", callback=receiver.subscription())
    ae.simulator.finish_run(blocked, status=1560)
    cancelled = ae.start("JOBS.B", callback=receiver.subscription())
    ae.post(f"executions/{cancelled}/status", {"action": "cancel"})
    assert receiver.wait(1)[0] == {
        "runid": f"{cancelled:010}",
        "object_type": "JOBS",
        "execution_status": "1850",
    }
    ae.simulator.run(run_id).set_status(1900)
    assert receiver.wait(2)[1]["runid"] == f"{run_id:010}"
    assert len(receiver.requests) == 2
    ae.simulator.run(blocked).set_status(1900)
    receiver.wait(3)


@pytest.mark.parametrize(("exponent", "delays"), [(0, [30, 30]), (1, [30, 60]), (2, [30, 120])])
def test_the_delays_between_the_tries(start, receiver, exponent, delays):
    ae = start(run_seconds=0, callback_interval_exp=exponent, time_scale=300)
    receiver.answers = [500, 404]
    ae.start("JOBS.A", callback=receiver.subscription())
    receiver.wait(3)
    until(lambda: ae.simulator.journal.noted("callback_accepted") == 1)
    (callback,) = ae.simulator.callbacks
    assert [a.status for a in callback.attempts] == [500, 404, 200]
    waited = [later.at - earlier.at for earlier, later in itertools.pairwise(callback.attempts)]
    assert all(real >= delay for delay, real in zip(delays, waited, strict=True))
    assert [ae.simulator.sender.delay(failures) for failures in (1, 2)] == delays
    assert ae.get("executions", type="CBCK").json()["data"][0]["status"] == 1960


def test_automic_gives_up_soon(start, receiver):
    ae = start(run_seconds=0, time_scale=1000)
    receiver.answers = [500, 302, 503, 200]
    ae.start("JOBS.A", callback=receiver.subscription())
    assert ae.simulator.journal.wait(lambda journal: journal.noted("callback_given_up") == 1)
    (entry,) = ae.get("executions", type="CBCK").json()["data"]
    assert (entry["status"], entry["parent"]) == (1860, ae.simulator.runs[0].run_id)
    assert len(receiver.requests) == 3


def test_a_receiver_that_is_not_there(start):
    ae = start(run_seconds=0, callback_attempts=1)
    ae.start("JOBS.A", callback={"type": "http", "http": {"url": "http://127.0.0.1:9/cb"}})
    assert ae.simulator.journal.wait(lambda journal: journal.noted("callback_given_up") == 1)
    (callback,) = ae.simulator.callbacks
    assert (callback.attempts[0].status, callback.attempts[0].error) == (None, "ClientConnectorError")


def test_silence_and_duplicates(start, receiver):
    ae = start(run_seconds=0)
    ae.start("JOBS.SILENT", callback=receiver.subscription())
    twice = ae.start("JOBS.TWICE", callback=receiver.subscription())
    assert [p["runid"] for p in receiver.wait(2)] == [f"{twice:010}"] * 2
    late = ae.simulator
    late.send_callback(twice)
    late.send_callback(twice, status=1800)
    assert sorted(p["execution_status"] for p in receiver.wait(4)[2:]) == ["1800", "1900"]
    assert len(receiver.requests) == 4


def test_a_callback_that_comes_too_early(start, receiver):
    ae = start(run_seconds=None)
    run_id = ae.start("JOBS.EARLY", callback=receiver.subscription())
    assert receiver.wait(1)[0]["execution_status"] == "1900"
    assert ae.status(run_id) == 1550


def test_a_callback_that_overtakes_the_answer(ae, receiver):
    ae.start("JOBS.EAGER", callback=receiver.subscription())
    assert len(receiver.requests) == 1  # it was there before the answer to the start


def test_many_callbacks_at_once(start, receiver):
    ae = start(run_seconds=None)
    for _ in range(100):
        ae.start("JOBS.A", callback=receiver.subscription())
    for run in ae.simulator.runs:
        run.set_status(1900)
    assert len({p["runid"] for p in receiver.wait(100)}) == 100


def test_callbacks_survive_a_pause_of_the_simulator(receiver):
    simulator = AutomicSimulator(run_seconds=None)
    with running(simulator):
        Api(simulator).start("JOBS.A", callback=receiver.subscription())
    simulator.finish_run()
    with running(simulator):
        receiver.wait(1)


# -- the rest


@pytest.mark.parametrize(
    "options",
    [
        {"callback_interval": 29},
        {"callback_attempts": 0},
        {"callback_interval_exp": 3},
        {"payload": "xml"},
        {"restart_reference": "next"},
        {"status": 500},
        {"objects": {"X": {"colour": "red"}}},
        {"objects": {"X": {"callback_at": "never"}}},
        {"objects": {"X": {"callbacks": -1}}},
    ],
)
def test_options_that_make_no_sense(options):
    with pytest.raises(ValueError, match=r"."):
        AutomicSimulator(**options)


def test_every_special_object_has_a_plan_that_works():
    for changes in OBJECTS.values():
        Plan().changed(changes)


def test_the_control_routes(ae):
    control = ae.simulator.url + "/_sim/actions/"

    def act(name: str, **arguments: Any) -> requests.Response:
        return requests.post(control + name, json=arguments, timeout=TIMEOUT)

    assert act("script", object_name="JOBS.A", run_seconds=0, report=["one", "two"]).status_code == 200
    run_id = ae.start("JOBS.A")
    assert ae.get(f"executions/{run_id}/reports/REP").json()["total"] == 2
    assert act("finish_run", run_id=run_id, status=1800).status_code == 200
    assert ae.status(run_id) == 1800
    assert act("restart_run", run_id=run_id).json()["result"] == run_id + 1
    assert act("finish_run", run_id=5_000_000).status_code == 400
    assert act("set_health", healthy=False).status_code == 200
    assert not ae.simulator.healthy
    described = requests.get(ae.simulator.url + "/_sim", timeout=TIMEOUT).json()
    assert [run["run_id"] for run in described["runs"]] == [run_id, run_id + 1]
    requests.post(ae.simulator.url + "/_sim/reset", timeout=TIMEOUT)
    assert ae.simulator.runs == []
    assert ae.simulator.healthy
    assert ae.start() > run_id + 1  # RunIDs are never used again


def test_faults_strike_by_kind(ae):
    ae.simulator.faults.add("submit", "reset", processed=True)
    with pytest.raises(requests.ConnectionError):
        ae.post("executions", {"object_name": "JOBS.A"})
    assert len(ae.simulator.runs) == 1  # the answer was lost, the run was not
    ae.simulator.faults.add("status", "http_status", status=503)
    assert ae.get(f"executions/{ae.simulator.run().run_id}").status_code == 503


def test_pages_can_be_shorter_than_asked_for(start):
    ae = start(longest_page=2)
    runs = [ae.start() for _ in range(3)]
    first = ae.get("executions", max_results=100).json()
    assert ([run["run_id"] for run in first["data"]], first["hasmore"]) == (runs[:0:-1], True)
    assert ae.list(max_results=100, start_at_run_id=runs[1]) == runs[:1]


def test_a_wildcard_may_stand_at_the_end_only(start):
    ae = start(leading_wildcards=False)
    run = ae.start("JOBS.A", alias="ALIAS#AF-1")
    assert ae.list(alias="*#AF-*") == []
    assert ae.list(alias="ALIAS*") == [run]
    assert start().list(alias="*#AF-*") == []
    other = start()
    run = other.start("JOBS.A", alias="ALIAS#AF-1")
    assert other.list(alias="*#AF-*") == [run]


def test_the_command_line():
    arguments = build_parser().parse_args(
        ["automic", "--run-seconds", "none", "--payload", "named", "--object", 'X={"status": 1800}']
    )
    simulator = AutomicSimulator.from_arguments(arguments)
    assert simulator.sender.payload == "named"
    assert simulator.objects.next("X").status == 1800
    assert simulator.objects.next("Y").run_seconds is None
    assert (simulator.longest_page, simulator.leading_wildcards) == (None, True)
    arguments = build_parser().parse_args(["automic", "--longest-page", "9", "--no-leading-wildcards"])
    simulator = AutomicSimulator.from_arguments(arguments)
    assert (simulator.longest_page, simulator.leading_wildcards) == (9, False)


@pytest.mark.parametrize("automic_simulator", [{"status": 1815, "run_seconds": 0}], indirect=True)
def test_the_fixtures(automic_simulator, automic_connection):
    import os

    connection = json.loads(os.environ[f"AIRFLOW_CONN_{automic_connection.upper()}"])
    assert connection["host"] == automic_simulator.url
    assert connection["extra"] == {"client": "100", "auth": "basic"}
    assert automic_simulator.airflow_connection(auth="bearer", verify=False) == {
        "conn_type": "automic",
        "host": automic_simulator.url,
        "login": "",
        "password": "automic-token",
        "extra": {"client": "100", "auth": "bearer", "verify": False},
    }
    api = Api(automic_simulator)
    assert api.status(api.start("JOBS.X")) == 1815
