# SPDX-License-Identifier: Apache-2.0
"""What a task remembers of an upload that is under way."""

from __future__ import annotations

import logging

from airflow_async_provider._jobs.results.upload_memory import UPLOAD_KEY, TaskUploadMemory
from tests.support.one_task import OneTask

LOG = logging.getLogger("task")


def test_an_upload_of_an_earlier_try_is_known_to_the_next_one_only() -> None:
    task = OneTask()
    task.try_number = 1
    upload = {"bucket": "b", "key": "k", "upload_id": "u"}
    TaskUploadMemory(task.context, LOG).began(upload)
    assert TaskUploadMemory(task.context, LOG).left() is None
    task.try_number = 2
    assert TaskUploadMemory(task.context, LOG).left() == upload
    TaskUploadMemory(task.context, LOG).ended()
    assert TaskUploadMemory(task.context, LOG).left() is None
    assert task.store is not None
    task.store[UPLOAD_KEY] = {"bucket": "b"}
    assert TaskUploadMemory(task.context, LOG).left() is None
