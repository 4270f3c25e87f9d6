# SPDX-License-Identifier: Apache-2.0
"""The tree of errors: as its docstring draws it, with facts as attributes, able to travel."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from airflow_async_provider import errors
from airflow_async_provider.errors import (
    AsyncJobError,
    ConfigurationError,
    JobTimeoutError,
    TransientError,
    UnreadableAnswerError,
)

ALL = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+Error)\b", line)
        if not found:
            continue
        depth = len(found.group(1)) // 4 + ("──" in line)
        del above[depth:]
        if above:
            drawn[found.group(2)] = above[-1]
        above.append(found.group(2))
    assert drawn == {c.__name__: c.__bases__[0].__name__ for c in ALL if c is not AsyncJobError}


@pytest.mark.parametrize("cls", ALL, ids=lambda c: c.__name__)
def test_every_error_travels_with_its_facts(cls: type[AsyncJobError]) -> None:
    facts = {"job": "j", "http_status": 503, "request_id": "r"}
    if cls not in (TransientError, UnreadableAnswerError):
        facts |= {"state": "failed", "remote_status": "kaputt"}
    error = cls("what happened", **facts)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is cls
        assert str(twin) == str(error) == "what happened"
        assert {name: getattr(twin, name) for name in facts} == facts


def test_special_facts_travel_too() -> None:
    transient = pickle.loads(pickle.dumps(TransientError("t", retry_after=3, sent=False)))
    assert (transient.retry_after, transient.sent) == (3, False)
    unreadable = copy.copy(UnreadableAnswerError("u.", excerpt="<html>"))
    assert unreadable.excerpt == "<html>"
    assert str(unreadable) == "u. The answer began: '<html>'"


def test_two_errors_are_python_s_own_as_well() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(JobTimeoutError, TimeoutError)
    with pytest.raises(TimeoutError, match="too late"):
        raise JobTimeoutError("too late", state="timeout")
