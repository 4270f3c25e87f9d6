# SPDX-License-Identifier: Apache-2.0
"""
Every form of delivery against every way in which one goes wrong; signatures are in test_receiver_forms.

A form is: the package's own JSON, a mapped body, one of several parties, the button of a confirm page, and a
push source. What "it counted once" means differs, and is said by the form.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from airflow_async_provider._callbacks import handling, pushing, receiver
from airflow_async_provider._callbacks.address import hash_of, new_address
from airflow_async_provider.simulators._sending import NO_ANSWER, Sender
from tests.support.callback_world import Waiting, World, world_fixture  # noqa: F401 - fixtures
from tests.support.push_world import make_asset, make_source

OWN: dict[str, Any] = {"protocol": "remote_job", "options": {}, "pollable": False, "keep_body": True}
JSON = {"Content-Type": "application/json"}


@dataclass
class Case:
    """
    One form.

    :param url: where an authentic one goes
    :param body: an authentic one
    :param counted: how often it has counted
    :param end: makes it too late
    :param headers: of an authentic one
    """

    url: str
    body: bytes
    counted: Callable[[], int]
    end: Callable[[], None]
    headers: dict[str, str]

    def send(self, how: str = "well", *, url: str = "", **options: Any) -> list[int]:
        sender = Sender(url or self.url, "none", "", self.body, self.headers, seconds=1.5)
        return asyncio.run(sender.send(how, **options))


def of_task(task: Waiting, wakes: list[str], body: bytes, url: str = "", headers: Any = None) -> Case:
    return Case(
        url or task.address.url_with_secret,
        body,
        lambda: wakes.count(task.key.dag_id),
        lambda: task.set("success"),
        JSON if headers is None else headers,
    )


def json_form(world: World, wakes: list[str]) -> Case:
    return of_task(world.task(**OWN), wakes, b'{"state": "succeeded", "result": {"rows": 3}}')


def bare(world: World, wakes: list[str]) -> Case:
    """ "Done, ask": no body at all, where somebody can be asked."""
    facts = {**OWN, "pollable": True, "keep_body": False, "options": {"asked_by_worker": True}}
    return of_task(world.task(**facts), wakes, b"", headers={})


def mapped(world: World, wakes: list[str]) -> Case:
    mapping = {"succeeded_if": ["data.phase==done"], "failed_if": ["data.error"], "result": "data.rows"}
    task = world.task(**{**OWN, "options": {"mapping": mapping}})
    return of_task(task, wakes, b'{"data": {"phase": "done", "rows": [1, 2]}}')


def party(world: World, wakes: list[str]) -> Case:
    """The one of two parties whose word is still missing."""
    task = world.task(None)
    at = {name: new_address(world.url, replace(task.key, party=i)) for i, name in enumerate("ab")}
    task.expect(**OWN, parties=[[n, hash_of(a.secret)] for n, a in at.items()], needed=2, name="intent")
    task.set("deferred", deferred_for=60.0)
    assert task.post({"state": "succeeded"}, url=at["a"].url, secret=at["a"].secret).status_code == 200
    return of_task(task, wakes, b'{"state": "succeeded"}', at["b"].url_with_secret)


def confirm_page(world: World, wakes: list[str]) -> Case:
    task = world.task(**OWN, page={"subject": "Sure?", "body": "", "options": {"Yes": "succeeded"}})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return of_task(task, wakes, b"answer=Yes&message=go", task.address.confirm_url, form)


def source(world: World, wakes: list[str]) -> Case:
    name = f"case_{uuid.uuid4().hex[:8]}"
    make_asset(world, name)
    pushed = make_source(world, name, delivery_id="body.id", per_minute=1000)
    url = pushed.address.url_with_secret

    def end() -> None:
        """Its address is replaced: what comes now is nobody's."""
        pushed.change(addresses=())
        pushing._sources = pushing._Sources()

    return Case(url, b'{"id": "d-1", "order": 7}', lambda: len(pushed.events()), end, JSON)


FORMS = {f.__name__: f for f in (json_form, bare, mapped, party, confirm_page, source)}


@pytest.fixture(params=FORMS)
def case(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(pushing, "_sources", pushing._Sources())
    wakes: list[str] = []
    resume = handling.internals.resume
    monkeypatch.setattr(handling.internals, "resume", lambda *a: (wakes.append(a[1].dag_id), resume(*a))[1])
    return FORMS[request.param](world, wakes)


def test_an_authentic_one_counts_once(case: Case) -> None:
    assert case.counted() == 0
    assert case.send() == [200]
    assert case.counted() == 1


def forged(url: str) -> list[str]:
    """Addresses that are almost right: the secret of nobody, of another, shortened, none."""
    head, confirm = (url.removesuffix("/confirm"), "/confirm" if url.endswith("/confirm") else "")
    front, _, secret = head.rpartition("/")
    last = "A" if secret[5] != "A" else "B"
    others = ["x" * 43, secret[:-1], secret.partition(".")[0] + ".", secret[:5] + last + secret[6:]]
    return [f"{front}/{other}{confirm}" for other in others] + ([] if confirm else [front])


def test_forged_ones_change_nothing(case: Case) -> None:
    for url in forged(case.url):
        assert case.send(url=url) == [401], url.rpartition("/")[0]
    assert case.counted() == 0
    assert case.send() == [200]
    assert case.counted() == 1


@pytest.mark.parametrize("how", ["replayed", "duplicate"])
def test_repeated_ones_count_once(case: Case, how: str) -> None:
    assert case.send(how) == [200, 200]
    assert case.counted() == 1


def test_half_a_body_counts_for_nothing(case: Case) -> None:
    if not case.body:
        pytest.skip("there is no half of nothing")
    assert case.send("truncated") == [NO_ANSWER]
    assert case.counted() == 0
    assert case.send() == [200]
    assert case.counted() == 1


def test_one_that_drips_may_come_again(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    if not case.body:
        pytest.skip("there is nothing that could drip")
    monkeypatch.setattr(receiver, "MAX_READ", 0.3)
    assert case.send("slow") == [408]
    assert case.counted() == 0


def test_one_that_comes_too_late_is_harmless(case: Case) -> None:
    case.end()
    assert case.send()[0] in (200, 401)
    assert case.counted() == 0


def test_a_flood_of_the_same_counts_once(case: Case) -> None:
    answers = case.send("flood", count=40, connections=20)
    assert set(answers) <= {200, 503}
    assert 200 in answers
    assert case.counted() == 1
