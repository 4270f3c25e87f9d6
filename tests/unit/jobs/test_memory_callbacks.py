# SPDX-License-Identifier: Apache-2.0
"""What a task remembers of its callbacks: the latest one first, and no more than some."""

from __future__ import annotations

import logging

from airflow_async_provider._callbacks.registration import DURABLE_HANDLE, DURABLE_KEY, MAX_CALLBACKS
from airflow_async_provider._jobs.memory import Remembered, TaskMemory
from airflow_async_provider.protocols import JobHandle
from tests.support.played_airflow import Store


def test_the_latest_callback_is_the_first_that_is_remembered() -> None:
    store = Store()
    memory = TaskMemory({"task_state_store": store}, logging.getLogger())
    for number in range(MAX_CALLBACKS + 3):
        memory.expect({"secret_hash": f"{number}" * 64})

    hashes = [callback["secret_hash"][0] for callback in store[DURABLE_KEY]["callbacks"]]
    assert hashes == [str(number) for number in reversed(range(3, MAX_CALLBACKS + 3))]


def test_the_receiver_knows_where_a_job_is_remembered() -> None:
    # A new try that has a job takes it up, and is given a callback before it has said that it expects one.
    assert DURABLE_HANDLE in Remembered(handle=JobHandle("automic", "7", 0.0)).to_dict()
    assert DURABLE_HANDLE not in Remembered().to_dict()
