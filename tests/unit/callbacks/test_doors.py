# SPDX-License-Identifier: Apache-2.0
"""Which kind of address a path is, and whose proof its secret carries."""

from __future__ import annotations

import pytest

from airflow_async_provider._callbacks.address import (
    TaskKey,
    is_proven,
    new_address,
    new_source_address,
    proof_keys,
)
from airflow_async_provider._callbacks.doors import DOORS, SourceDoor, TaskDoor, split


@pytest.mark.parametrize(
    ("path", "head", "door", "tail"),
    [
        ("/callbacks/v1/t/s", "", TaskDoor, "t/s"),
        ("/airflow/async-provider/callbacks/v1/t", "/airflow/async-provider", TaskDoor, "t"),
        ("/async-provider/sources/v1/n/s", "/async-provider", SourceDoor, "n/s"),
        ("/sources/v1", "/sources/v1", None, ""),
        ("/sources/v2/n", "/sources/v2/n", None, ""),
    ],
)
def test_a_path_is_taken_apart(path: str, head: str, door: type | None, tail: str) -> None:
    found = split(path)
    assert (found[0], type(found[1]) if found[1] else None, found[2]) == (head, door, tail)


def test_a_proof_is_good_for_one_address_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY", "k")
    of_task, of_source = DOORS
    token = TaskKey("d", "r", "t").encode()
    task = new_address("https://a.example", TaskKey("d", "r", "t"))
    source = new_source_address("https://a.example/x/", "orders")
    assert source.url == "https://a.example/x/async-provider/sources/v1/orders"
    keys = proof_keys()
    for door, name, secret, good in (
        (of_task, token, task.secret, True),
        (of_task, token, source.secret, False),
        (of_source, "orders", source.secret, True),
        (of_source, "orders", task.secret, False),
        (of_source, "order", source.secret, False),
    ):
        over = door.proof_of(name, secret)
        assert over is not None
        assert is_proven(keys, over, secret) is good
    for door, name, secret in (
        (of_task, "orders", source.secret),
        (of_source, token, task.secret),
        (of_source, "Orders", source.secret),
        (of_source, "", source.secret),
        (of_source, "orders", "short"),
    ):
        assert door.proof_of(name, secret) is None
