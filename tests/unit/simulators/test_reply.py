# SPDX-License-Identifier: Apache-2.0
"""What a simulator answers."""

from __future__ import annotations

import json

from airflow_async_provider.simulators.reply import Refused, Reply


def test_json_has_its_type_and_length() -> None:
    reply = Reply.json({"a": 1}, 202, headers={"Retry-After": "3"})
    assert (reply.status, json.loads(reply.body)) == (202, {"a": 1})
    assert reply.headers == {"Content-Type": "application/json", "Retry-After": "3"}
    assert reply.size == len(reply.body)


def test_a_stream_without_a_length_has_no_size() -> None:
    assert Reply(stream=[b"a"]).size is None
    assert Reply(stream=[b"a"], length=1).size == 1


def test_a_refusal_leaves_a_handler_with_its_answer() -> None:
    reply = Reply(418)
    assert Refused(reply).reply is reply
