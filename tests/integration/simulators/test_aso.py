# SPDX-License-Identifier: Apache-2.0
"""The simulated JAGGAER ASO, asked over real sockets: every rule it enforces, and what it answers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import requests

from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.frame import running

EES = "application/vnd.sciquest.com.ees+json"
CHES = "application/vnd.sciquest.com.ches+json"
CALLER = {"Authorization": "Bearer aso-token", "X-API-Key": "aso-key", "Accept": EES}
CHES_CALLER = {**CALLER, "Accept": CHES, "Content-Type": CHES}
EVENT_PATH = "/chost/1/user/2/template/3/apiEvent/async"
TIMEOUT = 10

Start = Callable[..., AsoSimulator]


@pytest.fixture
def start() -> Iterator[Start]:
    import contextlib

    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(running(AsoSimulator(**options)))


def get(url: str, **options: object) -> requests.Response:
    return requests.get(url, **{"headers": CALLER, "timeout": TIMEOUT, **options})


def submit(simulator: AsoSimulator, path: str = "/event/7/apiItems/async") -> str:
    answer = get(simulator.url + path)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["statusUrl"])


# -- starting


@pytest.mark.parametrize(
    ("path", "endpoint", "parameters"),
    [
        ("/event/7/apiItems/async", "apiItems", {"event_id": "7"}),
        ("/event/7/apiBids/async", "apiBids", {"event_id": "7"}),
        ("/event/7/bidRound/2/apiBids/async", "bidRound/apiBids", {"event_id": "7", "bid_round": "2"}),
        ("/event/7/scenario/preferred/apiAwards/async", "preferred/apiAwards", {"event_id": "7"}),
        ("/event/7/scenario/9/apiAwards/async", "scenario/apiAwards", {"event_id": "7", "scenario_id": "9"}),
        ("/event/7/apiRates/async", "apiRates", {"event_id": "7"}),
    ],
)
def test_every_ees_endpoint_starts_a_job(
    start: Start, path: str, endpoint: str, parameters: dict[str, str]
) -> None:
    simulator = start()
    answer = get(simulator.url + path)
    assert answer.status_code == 202
    assert answer.headers["Content-Type"] == EES
    assert set(answer.json()) == {"statusUrl", "statusUrlExpiresInSeconds"}
    assert answer.json()["statusUrlExpiresInSeconds"] == 1800
    job = simulator.job()
    assert (job.service, job.endpoint, job.parameters, job.body) == ("ees", endpoint, parameters, None)
    assert simulator.journal.jobs_started == 1


def test_the_ches_endpoint_takes_its_body(start: Start) -> None:
    simulator = start()
    answer = requests.post(
        simulator.url + EVENT_PATH, data='{"eventName": "Steel"}', headers=CHES_CALLER, timeout=TIMEOUT
    )
    assert answer.status_code == 202
    assert simulator.job().body == {"eventName": "Steel"}
    assert simulator.job().service == "ches"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [("{}", "application/json", 415), ("{}", EES, 415), ("[]", CHES, 400), ("{", CHES, 400)],
)
def test_the_ches_endpoint_refuses_other_bodies(
    start: Start, body: str, content_type: str, status: int
) -> None:
    simulator = start()
    headers = {**CHES_CALLER, "Content-Type": content_type}
    answer = requests.post(simulator.url + EVENT_PATH, data=body, headers=headers, timeout=TIMEOUT)
    assert answer.status_code == status
    assert simulator.jobs == []


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer other"}, 401),
        ({"Authorization": "Basic aso-token"}, 401),
        ({"Authorization": "aso-token"}, 401),
        ({"X-API-Key": None}, 403),
        ({"X-API-Key": "other"}, 403),
        ({"Accept": None}, 406),
        ({"Accept": "application/json"}, 406),
        ({"Accept": "*/*"}, 406),
        ({"Accept": CHES}, 406),
        ({"Accept": "application/vnd.scquest.com.ees+json"}, 406),
    ],
)
@pytest.mark.parametrize("ask", ["submit", "status"])
def test_each_header_is_demanded(start: Start, ask: str, changed: dict[str, str | None], status: int) -> None:
    simulator = start()
    url = submit(simulator) if ask == "status" else simulator.url + "/event/7/apiItems/async"
    jobs = len(simulator.jobs)
    answer = get(url, headers={**CALLER, **changed})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert isinstance(answer.json()["message"], str)
    assert len(simulator.jobs) == jobs


def test_a_media_type_may_stand_in_a_list(start: Start) -> None:
    simulator = start()
    accept = f"application/json;q=0.1, {EES.upper()};q=1"
    assert get(simulator.url + "/event/7/apiBids/async", headers={**CALLER, "Accept": accept}).ok


@pytest.mark.parametrize(
    "path", ["/event/x/apiItems/async", "/event/7/apiItems", "/asyncStatus/", "/asyncStatus/Zm9v", "/"]
)
def test_other_paths_are_unknown(start: Start, path: str) -> None:
    assert get(start().url + path).status_code == 404


# -- status


def test_the_status_url_has_the_vendors_form(start: Start) -> None:
    simulator = start()
    first, second = submit(simulator), submit(simulator)
    for url in (first, second):
        assert url.startswith(simulator.url + "/asyncStatus/")
        assert url.endswith("=")
        assert "%" not in url
    plain = base64.b64decode(first.rsplit("/", 1)[1]).decode()
    assert re.fullmatch(r"\d{13}:\d+:\d+:[0-9a-f-]{36} *", plain)
    opaque = second.split("/asyncStatus/", 1)[1]
    assert "/" in opaque
    assert "+" in opaque
    assert get(second).json() == {"status": "processing"}


async def test_a_status_url_survives_aiohttp_as_it_is(start: Start) -> None:
    simulator = start()
    await asyncio.to_thread(submit, simulator)
    url = await asyncio.to_thread(submit, simulator)  # the second one carries "/" and "+"
    async with aiohttp.ClientSession() as session, session.get(url, headers=CALLER) as answer:
        assert answer.status == 200


def test_a_status_url_encoded_anew_is_unknown_unless_lenient(start: Start) -> None:
    strict, lenient = start(), start(verbatim_status_url=False)
    for simulator, status in ((strict, 404), (lenient, 200)):
        url = submit(simulator).replace("=", "%3D")
        assert get(url).status_code == status


def test_processing_then_completed_with_a_result_url(start: Start) -> None:
    simulator = start(processing_seconds=60)
    url = submit(simulator)
    simulator.clock.advance(59)
    assert get(url).json() == {"status": "processing"}
    simulator.clock.advance(1)
    answer = get(url)
    assert answer.headers["Content-Type"] == EES
    assert set(answer.json()) == {"status", "resultUrl", "resultUrlExpiresInSeconds"}
    assert answer.json()["status"] == "completed"
    assert simulator.journal.polls == 2


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_bad_end_names_no_reason(start: Start, outcome: str) -> None:
    url = submit(start(processing_seconds=0, outcome=outcome))
    assert get(url).json() == {"status": outcome}


def test_the_result_url_is_signed_once_and_counts_down_to_minus_one(start: Start) -> None:
    simulator = start(processing_seconds=0)
    url = submit(simulator)
    first = get(url).json()
    assert first["resultUrlExpiresInSeconds"] in (299, 300)
    simulator.clock.advance(100)
    second = get(url).json()
    assert second["resultUrl"] == first["resultUrl"]
    assert second["resultUrlExpiresInSeconds"] in (199, 200)
    simulator.clock.advance(200)
    third = get(url).json()
    assert third == {**first, "resultUrlExpiresInSeconds": -1}


def test_the_count_starts_at_the_end_of_the_job_not_at_the_poll(start: Start) -> None:
    simulator = start(processing_seconds=0, result_expires=300)
    url = submit(simulator)
    simulator.clock.advance(250)
    assert get(url).json()["resultUrlExpiresInSeconds"] in (49, 50)


def test_the_status_url_expires_with_403(start: Start) -> None:
    simulator = start(status_expires=100)
    url = submit(simulator)
    simulator.clock.advance(98)
    assert get(url).status_code == 200
    simulator.clock.advance(2)
    assert get(url).status_code == 403


def test_a_ches_status_wants_the_ches_media_type(start: Start) -> None:
    simulator = start(processing_seconds=0)
    posted = requests.post(simulator.url + EVENT_PATH, data="{}", headers=CHES_CALLER, timeout=TIMEOUT)
    url = posted.json()["statusUrl"]
    assert get(url).status_code == 406
    assert get(url, headers={**CALLER, "Accept": CHES}).json()["status"] == "completed"


def test_a_job_can_wait_to_be_told(start: Start) -> None:
    simulator = start(processing_seconds=None)
    url = submit(simulator)
    simulator.clock.advance(1000)
    assert get(url).json() == {"status": "processing"}
    with pytest.raises(ValueError, match="not ended"):
        _ = simulator.job().ended_at
    simulator.job().finish("cancelled")
    simulator.job().finish("completed")  # too late
    assert get(url).json() == {"status": "cancelled"}
    with pytest.raises(ValueError, match="unknown outcome"):
        simulator.job().finish("done")


def test_plans_and_scripts(start: Start) -> None:
    simulator = start(processing_seconds=0, plans={"apiBids": {"outcome": "failed"}})
    simulator.script(endpoint="apiRates", outcome="cancelled")
    simulator.script(result_bytes=5)
    assert get(submit(simulator, "/event/7/apiBids/async")).json() == {"status": "failed"}
    assert simulator.job().content.size == 5  # the first job of any endpoint took the second script
    assert get(submit(simulator, "/event/7/apiRates/async")).json() == {"status": "cancelled"}
    assert get(submit(simulator, "/event/7/apiRates/async")).json()["status"] == "completed"


@pytest.mark.parametrize(
    "options",
    [
        {"outcome": "done"},
        {"result_bytes": -1},
        {"processing_seconds": -1},
        {"result_file": "no-such-file"},
        {"plans": {"apiNothing": {}}},
        {"plans": {"apiBids": {"colour": "red"}}},
        {"time_scale": 0},
    ],
)
def test_nonsense_is_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        AsoSimulator(**options)


def test_time_may_run_faster(start: Start) -> None:
    simulator = start(processing_seconds=600, status_expires=10**9, time_scale=100_000)
    url = submit(simulator)
    assert simulator.journal.wait(lambda _: simulator.job().state == "completed", timeout=0.05) in (
        True,
        False,
    )
    assert get(url).json()["status"] == "completed"  # 0.05 s are 5000 s in there


# -- tokens


def ask_token(simulator: AsoSimulator, **changes: object) -> requests.Response:
    options = {
        "auth": ("aso-client", "aso-secret"),
        "headers": {"X-API-Key": "aso-key"},
        "data": {"grant_type": "client_credentials"},
        "timeout": TIMEOUT,
        **changes,
    }
    return requests.post(simulator.token_url, **options)


def test_an_issued_token_works_until_it_expires(start: Start) -> None:
    simulator = start(token=None, token_expires=600)
    assert get(simulator.url + "/event/7/apiItems/async").status_code == 401
    answer = ask_token(simulator)
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    token = answer.json()["access_token"]
    assert str(uuid.UUID(token)) == token
    headers = {**CALLER, "Authorization": f"Bearer {token}"}
    assert get(simulator.url + "/event/7/apiItems/async", headers=headers).status_code == 202
    simulator.clock.advance(601)
    assert get(simulator.url + "/event/7/apiItems/async", headers=headers).status_code == 401


def test_a_token_may_live_for_ever_and_be_revoked(start: Start) -> None:
    simulator = start(token_expires=None)
    first = ask_token(simulator, data={"grant_type": "client_credentials", "scope": "tenant-1"}).json()
    second = ask_token(simulator).json()
    assert "expires_in" not in first
    assert first["scope"] == "tenant-1"

    def status(token: str) -> int:
        headers = {**CALLER, "Authorization": f"Bearer {token}"}
        return get(simulator.url + "/event/7/apiItems/async", headers=headers).status_code

    simulator.tokens.revoke(first["access_token"])
    assert [status(first["access_token"]), status(second["access_token"]), status("aso-token")] == [
        401,
        202,
        202,
    ]
    simulator.tokens.revoke()
    assert [status(second["access_token"]), status("aso-token")] == [401, 401]
    assert status(ask_token(simulator).json()["access_token"]) == 202


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"auth": ("aso-client", "wrong")}, 401, "invalid_client"),
        ({"auth": None}, 401, "invalid_client"),
        ({"auth": None, "headers": {"X-API-Key": "aso-key", "Authorization": "Basic %%%"}}, 401, None),
        ({"headers": {}}, 403, None),
        ({"data": {"grant_type": "password"}}, 400, "unsupported_grant_type"),
        ({"data": {}}, 400, "invalid_request"),
        ({"data": None, "json": {"grant_type": "client_credentials"}}, 400, "invalid_request"),
    ],
)
def test_the_token_endpoint_is_strict(
    start: Start, changes: dict[str, object], status: int, error: str | None
) -> None:
    answer = ask_token(start(), **changes)
    assert answer.status_code == status
    assert error is None or answer.json() == {"error": error}


def test_basic_credentials_may_come_form_encoded(start: Start) -> None:
    simulator = start(client_secret="a+b c")
    assert ask_token(simulator, auth=("aso-client", "a%2Bb+c")).status_code == 200
    assert ask_token(simulator, auth=("aso-client", "a+b c")).status_code == 200


# -- results and origins


def test_the_result_is_what_the_simulator_says(start: Start) -> None:
    simulator = start(processing_seconds=0, result_bytes=300_001)
    url = get(submit(simulator)).json()["resultUrl"]
    answer = requests.get(url, timeout=TIMEOUT)
    assert len(answer.content) == 300_001
    assert hashlib.sha256(answer.content).hexdigest() == simulator.sha256_of()
    assert simulator.sha256_of(0) == simulator.sha256_of(simulator.job())
    assert simulator.journal.downloads == 1
    other = get(submit(simulator)).json()["resultUrl"]
    assert requests.get(other, timeout=TIMEOUT).content != answer.content


def test_results_come_from_another_origin_and_the_query_has_the_vendors_order(start: Start) -> None:
    simulator = start(processing_seconds=0)
    url = get(submit(simulator)).json()["resultUrl"]
    assert url.startswith(simulator.result_url_base + "/")
    assert simulator.result_url_base != simulator.url
    assert list(parse_qs(urlsplit(url).query)) == [
        "X-Amz-Algorithm",
        "X-Amz-Date",
        "X-Amz-SignedHeaders",
        "X-Amz-Expires",
        "X-Amz-Credential",
        "X-Amz-Signature",
    ]


def test_each_side_serves_only_its_own_paths(start: Start) -> None:
    simulator = start(processing_seconds=0)
    status_url = submit(simulator)
    result = urlsplit(get(status_url).json()["resultUrl"])
    assert get(status_url.replace(simulator.url, simulator.result_url_base)).status_code == 404
    assert get(f"{simulator.url}{result.path}?{result.query}").status_code == 404


def test_status_and_tokens_may_have_origins_of_their_own(start: Start) -> None:
    simulator = start(separate_origins=True, token=None)
    assert not simulator.token_url.startswith(simulator.url)
    token = ask_token(simulator).json()["access_token"]
    headers = {**CALLER, "Authorization": f"Bearer {token}"}
    url = get(simulator.url + "/event/7/apiItems/async", headers=headers).json()["statusUrl"]
    assert url.startswith(simulator.status_url_base + "/")
    assert get(url, headers=headers).status_code == 200
    assert get(url.replace(simulator.status_url_base, simulator.url), headers=headers).status_code == 404
    connection = simulator.airflow_connection()
    assert connection["extra"]["token_url"] == simulator.token_url
    assert connection["extra"]["allowed_hosts"] == simulator.status_url_base.removeprefix("http://")
    assert (connection["login"], connection["password"]) == ("aso-client", "aso-secret")


def test_the_connection_uses_the_ready_token_where_there_is_one(start: Start) -> None:
    simulator = start()
    assert simulator.airflow_connection("ches") == {
        "conn_type": "jaggaer_aso",
        "host": simulator.url,
        "password": "aso-token",
        "extra": {"api_key": "aso-key", "accept": CHES},
    }


@pytest.mark.parametrize("form", ["text", "bytes", "file"])
def test_a_result_may_be_given(start: Start, form: str, tmp_path) -> None:
    body = b'{"items": [1, 2, 3]}' * 5000
    path = tmp_path / "items.json"
    path.write_bytes(body)
    options = {"text": {"result_body": body.decode()}, "bytes": {"result_body": body}}
    chosen = options.get(form, {"result_file": str(path)})
    simulator = start(processing_seconds=0, result_content_type="application/json", **chosen)
    url = get(submit(simulator)).json()["resultUrl"]
    answer = requests.get(url, timeout=TIMEOUT)
    assert answer.content == body
    assert answer.headers["Content-Type"] == "application/json"
    part = requests.get(url, headers={"Range": "bytes=70000-80000"}, timeout=TIMEOUT)
    assert part.content == body[70000:80001]
    assert requests.get(url, headers={"If-Match": answer.headers["ETag"]}, timeout=TIMEOUT).ok
