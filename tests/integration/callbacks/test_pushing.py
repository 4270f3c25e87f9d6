# SPDX-License-Identifier: Apache-2.0
"""Deliveries to push sources over the receiver's real socket, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from typing import Any

import pytest
import requests

from airflow_async_provider._callbacks import airflow_assets, pushing, receiver
from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks.sources import MAX_PAYLOAD, PER_MINUTE
from airflow_async_provider.protocols._signature_forms import SCHEMES
from airflow_async_provider.simulators._sending import NO_ANSWER
from airflow_async_provider.simulators._signing import TIMED, other_key
from tests.support.callback_world import (  # noqa: F401 - fixtures
    World,
    mounted,
    on_one_database,
    served,
    world_fixture,
)
from tests.support.harness import AIRFLOW
from tests.support.push_world import KEY, Pushed, make_asset, make_source, queued


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No source is known and none has sent anything yet."""
    monkeypatch.setattr(pushing, "_sources", pushing._Sources())
    monkeypatch.setattr(pushing, "_rates", pushing._Rates())


@pytest.fixture
def asset() -> str:
    return f"orders-{uuid.uuid4().hex[:8]}"


def send(pushed: Pushed, how: str = "well", *, count: int = 1, **options: Any) -> list[int]:
    return asyncio.run(pushed.sender(**options).send(how, count=count, connections=20))


def post(pushed: Pushed, body: Any = b'{"id": 7}', url: str = "", **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            url or pushed.address.url_with_secret,
            data=body if isinstance(body, bytes) else json.dumps(body),
            headers={"Content-Type": "application/json", **headers},
            timeout=60,
        )


# -- an event


def test_a_delivery_becomes_an_event_that_starts_a_run(world: World, asset: str) -> None:
    dag_id = make_asset(world, asset)
    pushed = make_source(world, asset)
    answer = post(pushed, {"id": 7, "rows": [1, 2]})
    assert (answer.status_code, answer.json()) == (200, {})
    (extra,) = pushed.events()
    assert extra["payload"] == {"id": 7, "rows": [1, 2]}
    assert (extra["source"], extra["payload_truncated"], extra["delivery_id"]) == (
        pushed.source.name,
        False,
        None,
    )
    assert queued(world, dag_id) == 1
    (row,) = pushed.record()
    assert (row["outcome"], row["bytes"], row["assets"]) == ("event", 25, [asset])


def test_the_secret_may_stand_in_a_header(world: World, asset: str) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset)
    assert post(pushed, url=pushed.address.url).status_code == 401
    good = post(pushed, url=pushed.address.url, Authorization=pushed.address.authorization)
    assert good.status_code == 200
    assert len(pushed.events()) == 1
    assert pushed.address.secret not in json.dumps(pushed.events())


def test_an_asset_is_known_by_its_uri_too(world: World, asset: str) -> None:
    make_asset(world, asset)
    pushed = make_source(world, f"x-test://{asset}")
    assert post(pushed).status_code == 200
    assert [row["assets"] for row in pushed.record()] == [[asset]]


def test_the_payload_is_what_the_paths_name(world: World, asset: str) -> None:
    make_asset(world, asset)
    paths = {"order": "body.data.id", "kind": "header.x-kind", "missing": "body.no"}
    pushed = make_source(world, asset, payload=paths)
    post(pushed, {"data": {"id": 5}, "secret": "x"}, **{"X-Kind": "new", "Authorization": "Basic abc"})
    assert pushed.events()[0]["payload"] == {"order": 5, "kind": "new"}


def test_a_payload_that_is_too_large_is_left_out_and_said_to_be(world: World, asset: str) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset)
    assert post(pushed, {"text": "ü" * MAX_PAYLOAD}).status_code == 200
    extra = pushed.events()[0]
    assert (extra["payload"], extra["payload_truncated"]) == (None, True)


def test_strange_bodies_become_events_that_every_database_and_page_can_show(world: World, asset: str) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset)
    bodies = [
        b"\xff\xfe not json",
        b"",
        b'{"a": "\\u0000\\ud800", "b": NaN, "c": 1e999, "d\\u0000": 1, "__classname__": "builtins.int"}',
        b"[" * 5000 + b"]" * 5000,
        b'{"n": %s}' % (b"9" * 5000),
        "\u2028 \U0001f40b".encode(),
    ]
    assert [post(pushed, body).status_code for body in bodies] == [200] * len(bodies)
    payloads = [extra["payload"] for extra in pushed.events()]
    strange = {"a": "??", "b": None, "c": None, "d?": 1, "__classname__": "builtins.int"}
    assert payloads == [None, None, strange, None, None, None]


def test_a_form_is_read_as_well_and_the_json_in_it(world: World, asset: str) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset)
    post(pushed, b"payload=%7B%22a%22%3A+1%7D&b=c", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert pushed.events()[0]["payload"] == {"payload": {"a": 1}, "b": "c"}


def test_names_of_assets_are_filled_in_from_the_delivery(world: World) -> None:
    names = [f"gh/{uuid.uuid4().hex[:6]}/{kind}" for kind in ("push", "push/main")]
    for name in names:
        make_asset(world, name)
    org = names[0].split("/")[1]
    second = names[1].replace(names[1].split("/")[1], org)
    make_asset(world, second)
    templates = [
        "gh/{body.org}/{header.x-event}",
        "gh/{body.org}/{header.x-event}/{body.branch}",
        "gh/{body.no}",
    ]
    pushed = make_source(world, templates)
    assert post(pushed, {"org": org, "branch": "main"}, **{"X-Event": "push"}).status_code == 200
    assert pushed.record()[0]["assets"] == [names[0], second]


def test_a_delivery_for_which_no_dag_waits_is_taken_and_counts_later(world: World, asset: str) -> None:
    pushed = make_source(world, asset, "github")
    assert send(pushed, "duplicate") == [200, 200]
    assert [row["outcome"] for row in pushed.record()] == ["no_asset", "no_asset"]
    dag_id = make_asset(world, asset)
    assert send(pushed) == [200]
    assert queued(world, dag_id) == 1


def test_an_asset_that_is_no_longer_used_gets_no_event(world: World, asset: str) -> None:
    make_asset(world, asset, active=False)
    pushed = make_source(world, asset)
    assert post(pushed).status_code == 200
    assert pushed.events() == []


def test_conditions_say_which_deliveries_count(world: World, asset: str) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset, when=("body.state==done", ["header.x-event==release", "body.final"]))
    for body, event in (
        ({"state": "done"}, ""),
        ({"state": "open"}, ""),
        ({"final": True}, "release"),
        ({"final": True}, "push"),
    ):
        assert post(pushed, body, **{"X-Event": event}).status_code == 200
    assert [extra["payload"] for extra in pushed.events()] == [{"state": "done"}, {"final": True}]
    assert [row["outcome"] for row in pushed.record() if row["outcome"] != "event"] == ["ignored"] * 2


def test_slack_reads_its_challenge_and_github_s_ping_starts_nothing(world: World, asset: str) -> None:
    make_asset(world, asset)
    slack, github = make_source(world, asset, "slack"), make_source(world, asset, "github")
    body = {"type": "url_verification", "challenge": "abc"}
    headers, content = slack.sender(json.dumps(body).encode()).request()
    assert post(slack, content, **headers).json() == {"challenge": "abc"}
    assert post(slack, content, **headers | {"X-Slack-Signature": "v0=00"}).status_code == 401
    headers, content = github.sender(b'{"zen": "x"}').request()
    assert post(github, content, **headers, **{"X-GitHub-Event": "ping"}).status_code == 200
    assert slack.events() == []


# -- forged, changed, late, repeated, cut, slow, large


@pytest.fixture(params=SCHEMES)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@on_one_database
def test_only_good_signatures_make_events(world: World, asset: str, form: str, caplog: Any) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset, form)
    hows = ["wrong-key", "unsigned"] + ["changed"] * (form != "gitlab") + ["late", "early"] * (form in TIMED)
    assert [send(pushed, how) for how in hows] == [[401]] * len(hows)
    assert send(pushed, form="none") == [401]
    assert pushed.events() == []
    assert {row["outcome"] for row in pushed.record()} == {"bad_signature"}
    assert send(pushed) == [200]
    assert len(pushed.events()) == 1
    assert KEY not in caplog.text + json.dumps(pushed.record()) + json.dumps(pushed.events())
    assert pushed.address.secret not in caplog.text + json.dumps(pushed.record())


@on_one_database
def test_a_repeated_delivery_makes_one_event(world: World, asset: str, form: str) -> None:
    dag_id = make_asset(world, asset)
    pushed = make_source(world, asset, form)
    body = b'{"id": "evt_1", "event_id": "Ev1"}'
    assert send(pushed, "replayed", body=body) == [200, 200]
    assert len(pushed.events()) == 1
    assert pushed.record()[0]["repeated"] == 1
    assert send(pushed, "duplicate", body=body.replace(b"1", b"2")) == [200, 200]
    assert len(pushed.events()) == 2
    # From Airflow 3.4 on each event starts a run of its own.
    assert queued(world, dag_id) == (2 if AIRFLOW >= (3, 4) else 1)


def test_only_who_proves_that_the_address_is_ours_is_known_from_memory(
    world: World, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the response time would tell anybody which sources there are."""
    make_asset(world, asset)
    pushed = make_source(world, asset)
    read, reads = pushing._Sources._read, []

    def counted(sources: Any, name: str) -> Any:
        reads.append(name)
        return read(sources, name)

    monkeypatch.setattr(pushing._Sources, "_read", counted)
    secret = pushed.address.secret
    for proven, expected in ((True, 1), (True, 1), (False, 2), (False, 3)):
        assert pushing.authenticate(pushed.source.name, secret, proven=proven) is not None
        assert len(reads) == expected


def test_copies_that_come_at_the_same_moment_make_one_event(world: World, asset: str) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset, "stripe")
    request = pushed.sender(b'{"id": "evt_9"}').request()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(pushed, request[1], **request[0]).status_code))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {200, 503}
    assert 200 in answers
    assert len(pushed.events()) == 1


def test_an_id_that_nobody_signs_hides_no_other_body(world: World, asset: str) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset, "github")
    for body in (b'{"a": 1}', b'{"a": 2}', b'{"a": 1}'):
        headers, content = pushed.sender(body).request("well", "the same id")
        assert post(pushed, content, **headers).status_code == 200
    assert [extra["payload"] for extra in pushed.events()] == [{"a": 1}, {"a": 2}]


def test_half_a_body_a_slow_one_and_a_large_one_make_no_event(
    world: World, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "MAX_READ", 0.3)
    make_asset(world, asset)
    pushed = make_source(world, asset, "github", max_bytes=1000)
    assert send(pushed, "truncated") == [NO_ANSWER]
    assert send(pushed, "slow", seconds=1.5) == [408]
    assert send(pushed, "large", size=5000) == [413]
    assert pushed.events() == []
    assert {row["outcome"] for row in pushed.record()} == {"too_slow", "too_large"}


def test_a_flood_makes_no_more_events_than_allowed_and_is_asked_to_come_again(
    world: World, asset: str
) -> None:
    make_asset(world, asset)
    pushed = make_source(world, asset, "github", per_minute=5)
    other = make_source(world, asset, "github")
    answers = send(pushed, "flood", count=60)
    assert set(answers) <= {200, 429, 503}
    assert 5 <= answers.count(200) <= 7
    assert len(pushed.events()) == answers.count(200)
    assert send(other) == [200]
    limited = post(pushed, b"{}", **pushed.sender(b"{}").request()[0])
    assert limited.status_code == 429
    assert 1 <= int(limited.headers["Retry-After"]) <= 12


# -- who is no sender


def test_anonymous_senders_are_told_nothing_and_leave_nothing(world: World, asset: str, caplog: Any) -> None:
    make_asset(world, asset)
    pushed, other = make_source(world, asset), make_source(world, asset)
    base = pushed.address.url.rpartition("/")[0]
    secret = pushed.address.secret
    before = world.counts()
    urls = {
        "no secret": pushed.address.url,
        "wrong secret": f"{pushed.address.url}/{'x' * 43}",
        "the secret of another source": f"{pushed.address.url}/{other.address.secret}",
        "unknown source": f"{base}/no-such-source/{secret}",
        "another spelling": f"{base}/{pushed.source.name.upper()}/{secret}",
        "no name": f"{base}/a b/{secret}",
        "long name": f"{base}/{'a' * 5000}/{secret}",
        "half": f"{pushed.address.url}/{secret[:-1]}",
        "with NUL": f"{base}/{pushed.source.name}%00/{secret}",
    }
    answers = {name: post(pushed, url=url) for name, url in urls.items()}
    assert {name: (a.status_code, a.content) for name, a in answers.items()} == dict.fromkeys(
        urls, (401, b'{"detail":"Unauthorized"}')
    )
    assert world.counts() == before
    assert secret not in caplog.text
    task = world.task()
    wrong = post(pushed, url=f"{base}/{pushed.source.name}/{task.address.secret}")
    assert wrong.status_code == 401
    assert post(pushed, url=f"{task.address.url}/{secret}").status_code == 401


def test_a_secret_without_a_proof_is_good_but_comes_behind(
    world: World, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_asset(world, asset)
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY", "another machine's")
    pushed = make_source(world, asset)
    monkeypatch.delenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY")
    assert post(pushed).status_code == 200


def test_the_database_that_is_away_is_answered_with_come_again(
    world: World, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    make_asset(world, asset)
    pushed = make_source(world, asset)

    def away(*_: Any) -> Any:
        raise OperationalError("select", {}, Exception("gone"))

    with monkeypatch.context() as patch:
        patch.setattr(pushing.assets, "lock_assets", away)
        answer = post(pushed)
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert pushed.events() == []
    assert post(pushed).status_code == 200


def test_an_asset_that_somebody_else_has_locked_is_answered_with_come_again(
    world: World, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if world.dialect == "sqlite":
        pytest.skip("it has no row locks, and its driver waits for a few seconds only")
    monkeypatch.setattr(airflow_assets, "MAX_LOCK", 0.3)
    make_asset(world, asset)
    pushed = make_source(world, asset)
    with world.session() as session:
        airflow_assets.lock_assets(session, [asset])
        assert post(pushed).status_code == 503
    assert pushed.events() == []
    assert post(pushed).status_code == 200
    assert len(pushed.events()) == 1


def test_listeners_hear_of_an_event_and_cannot_undo_it(
    world: World, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.assets.manager import AssetManager

    heard: list[Any] = []

    def changed(*, asset: Any) -> None:
        heard.append(asset.name)
        if airflow_assets.HAS_TEAMS:  # else Airflow's own method catches what a listener raises
            raise RuntimeError("a listener's own defect")

    monkeypatch.setattr(AssetManager, "notify_asset_changed", staticmethod(changed))
    make_asset(world, asset)
    pushed = make_source(world, asset)
    assert post(pushed).status_code == 200
    assert heard == [asset]
    assert len(pushed.events()) == 1


def test_a_record_that_cannot_be_written_undoes_nothing(
    world: World, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_async_provider._callbacks.deliveries.record_for_task", None)
    task = world.task()
    assert task.post().status_code == 200
    assert task.state == "scheduled"


# -- rotation


def test_the_address_before_is_good_for_a_while_and_a_new_key_at_once(
    world: World, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_async_provider._callbacks.address import hash_of, new_source_address

    make_asset(world, asset)
    pushed = make_source(world, asset, "stripe")
    assert send(pushed) == [200]
    monkeypatch.setattr(pushing, "MIN_AGE", 0.0)
    new = new_source_address(world.url, pushed.source.name)
    now = pushed.source.addresses[0].made
    pushed.source = pushed.source.with_address(hash_of(new.secret), now + 10, 3600)
    pushed.change(keys=(other_key(KEY), KEY))
    assert send(pushed, url=new.url_with_secret, body=b'{"id": 1}', key=other_key(KEY)) == [200]
    assert send(pushed, body=b'{"id": 2}') == [200]
    monkeypatch.setattr(pushing, "_sources", pushing._Sources())
    pushed.change(keys=(other_key(KEY),), addresses=pushed.source.addresses[:1])
    assert send(pushed, body=b'{"id": 3}', key=other_key(KEY)) == [401]
    assert send(pushed, url=new.url_with_secret, body=b'{"id": 4}') == [401]
    assert send(pushed, url=new.url_with_secret, body=b'{"id": 5}', key=other_key(KEY)) == [200]


def test_a_source_that_is_broken_or_gone_is_nobody(world: World, asset: str, caplog: Any) -> None:
    from airflow_async_provider._callbacks import airflow_assets

    make_asset(world, asset)
    pushed = make_source(world, asset)
    fields = {**pushed.source.to_connection(), "extra": '{"assets": 5}'}
    with internals.transaction() as session:
        airflow_assets.put_connection(session, fields)
    assert post(pushed).status_code == 401
    assert "cannot be used" in caplog.text
    for there in (True, False):
        with internals.transaction() as session:
            assert airflow_assets.delete_connection(session, pushed.source.conn_id) is there
    assert post(pushed).status_code == 401


def test_what_the_docs_say_of_the_limit() -> None:
    assert PER_MINUTE == 120
