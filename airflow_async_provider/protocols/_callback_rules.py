# SPDX-License-Identifier: Apache-2.0
"""
A rule, written as plain data, about what a callback's JSON says.

Vendors document what a callback looks like when all went well and often nothing else, so users must be able
to say what counts, and what they say is stored with the job: hence data, not code. A rule is a list of
conditions of which one is enough. A condition is

* ``"a.b"``: the field is there and says something (not null, false, 0, "", [] or {});
* ``"a.b==text"``: the field is there and reads so, without regard to case (numbers and booleans as JSON
  writes them);
* a list of such strings: all of them hold.

Fields are named as in :mod:`~airflow_async_provider.protocols._json_path` (``error.code``, ``errors[0]``,
``["odd.key"]``, ``/json/pointer``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._json_path import MISSING, parse, read

Conditions = Sequence[str | Sequence[str]]

#: More conditions, or longer ones, are a mistake; rules are stored with the job.
MAX_CONDITIONS = 50


class CallbackRule:
    """
    A rule, checked once and applied to documents.

    :param conditions: see the module; an empty list holds never
    :param name: name of the argument it came from, for messages
    :raises ConfigurationError: it cannot be understood
    """

    __slots__ = ("_alternatives", "conditions")

    def __init__(self, conditions: Any, *, name: str) -> None:
        if isinstance(conditions, str | bytes) or not isinstance(conditions, Sequence):
            raise ConfigurationError(f"{name} is a list of conditions such as ['error', 'status==FAILED'].")
        if len(conditions) > MAX_CONDITIONS:
            raise ConfigurationError(f"{name} has more than {MAX_CONDITIONS} conditions.")
        self._alternatives = tuple(_tests(condition, name) for condition in conditions)
        #: as given, with lists for sequences: JSON-able
        self.conditions: list[str | list[str]] = [c if isinstance(c, str) else list(c) for c in conditions]

    def holds(self, *documents: Any) -> str | None:
        """
        The first condition that holds for one of the documents, in words; None when none does.

        All tests of one condition look at the same document.
        """
        for document in documents:
            for tests in self._alternatives:
                if all(_passes(document, path, value) for path, value in tests):
                    return " and ".join(
                        path if value is None else f"{path}=={value}" for path, value in tests
                    )
        return None


def _tests(condition: Any, name: str) -> tuple[tuple[str, str | None], ...]:
    parts: Iterable[Any] = (condition,) if isinstance(condition, str) else condition
    if (
        not condition
        or not isinstance(condition, str | Sequence)
        or not all(isinstance(p, str) for p in parts)
    ):
        raise ConfigurationError(f"{name}: {condition!r} is not a condition: a string, or a list of strings.")
    tests = []
    for part in parts:
        path, compared, value = part.partition("==")
        path = path.strip()
        try:
            if not parse(path):
                raise ValueError("it names no field")
        except ValueError as e:
            raise ConfigurationError(f"{name}: {part!r} is not a condition: {e}") from e
        tests.append((path, value.strip() if compared else None))
    return tuple(tests)


def _passes(document: Any, path: str, value: str | None) -> bool:
    found = read(document, path)
    if found is MISSING:
        return False
    if value is None:
        return bool(found)
    return _text(found).casefold() == value.casefold()


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
