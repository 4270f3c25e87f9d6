# SPDX-License-Identifier: Apache-2.0
"""The execution list: filters and pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from typing import Any

from airflow_async_provider.protocols._automic.requests import FILTERS
from airflow_async_provider.simulators._automic_checks import bad_request
from airflow_async_provider.simulators._automic_runs import Run, stamp

DEFAULT_PAGE = 50

_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z\Z", re.ASCII)


class Query:
    """
    Query parameters, each checked as it is read.

    :param pairs: names and values, repeated ones several times
    :param leading_wildcards: whether ``*`` at the beginning of a text stands for any text
    """

    def __init__(self, pairs: Iterable[tuple[str, str]], *, leading_wildcards: bool = True) -> None:
        self._leading_wildcards = leading_wildcards
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def many(self, name: str) -> list[str]:
        """Values of a filter that takes several: ``a,b`` or repeated."""
        return [part for value in self._values.get(name, []) for part in value.split(",")]

    def one(self, name: str) -> str | None:
        """
        The value of a filter that may be given once.

        :raises Refused: given twice
        """
        values = self._values.get(name, [])
        if len(values) > 1:
            raise bad_request(f"The parameter {name} can only be specified once.")
        return values[0] if values else None

    def pattern(self, name: str) -> re.Pattern[str] | None:
        """
        A text in which ``*`` stands for any text.

        :raises Refused: given twice
        """
        value = self.one(name)
        if value is None:
            return None
        literal = "[*]" if value.startswith("*") and not self._leading_wildcards else ""
        rest = value[1:] if literal else value
        return re.compile(translate(literal + re.sub(r"([\[?])", r"[\1]", rest)), re.IGNORECASE)

    def number(self, name: str, default: int | None = None, *, least: int = 0) -> int | None:
        """
        A whole number.

        :raises Refused: it is none, or too small
        """
        value = self.one(name)
        if value is None:
            return default
        if not value.lstrip("-").isdigit() or int(value) < least:
            raise bad_request(f"The parameter {name} is not valid.")
        return int(value)

    def flag(self, name: str) -> bool:
        """
        A boolean, false by default.

        :raises Refused: it is none
        """
        value = self.one(name)
        if value not in (None, "true", "false"):
            raise bad_request(f"The parameter {name} is not valid.")
        return value == "true"

    def moment(self, name: str) -> str | None:
        """
        A timestamp; text of that form can be compared as it is.

        :raises Refused: it has another form
        """
        value = self.one(name)
        if value is not None and not _TIMESTAMP.match(value):
            raise bad_request(f"The parameter {name} must have the format YYYY-MM-DDTHH:MM:SSZ.")
        return value


def page(
    runs: Iterable[Run], query: Query, *, filtered: bool = True, longest: int | None = None
) -> dict[str, Any]:
    """
    One page of a list, newest first.

    :param filtered: False for children, which take the paging parameters only
    :param longest: most runs on a page whatever was asked for, None: no limit
    :raises Refused: a parameter that makes no sense
    """
    most = query.number("max_results", DEFAULT_PAGE, least=1) or DEFAULT_PAGE
    most = min(most, longest or most)
    start = query.number("start_at_run_id")
    tests = list(_tests(query)) if filtered else []
    found = [run for run in runs if not run.forgotten and all(test(run) for test in tests)]
    found.sort(key=lambda run: (run.activated_at, run.run_id), reverse=True)
    rest = [run for run in found if start is None or run.run_id < start]
    answer: dict[str, Any] = {"total": len(found), "data": [run.record() for run in rest[:most]]}
    if start is not None or len(rest) > most:
        # The vendor's example of a small answer has no hasmore at all.
        answer["hasmore"] = len(rest) > most
    return answer


def _tests(query: Query) -> Iterable[Callable[[Run], bool]]:
    for name, kind in FILTERS.items():
        if kind == "flag":
            query.flag(name)
    if not query.flag("include_deactivated"):
        yield lambda run: not run.deactivated
    yield from _numbers(query)
    yield from _texts(query)
    yield from _sets(query)
    yield from _times(query)
    if query.flag("commented_only"):
        yield lambda run: bool(run.comments)


def _numbers(query: Query) -> Iterable[Callable[[Run], bool]]:
    run_id = query.number("run_id")
    if run_id is not None:
        yield lambda run: run.run_id == run_id
    reference = query.number("reference_run_id")
    if reference is not None:
        yield lambda run: run.reference == reference


def _texts(query: Query) -> Iterable[Callable[[Run], bool]]:
    for name in ("name", "alias", "agent", "user", "archive_key1", "archive_key2"):
        pattern = query.pattern(name)
        if pattern is None:
            continue
        wanted = not (f"{name}_exclude" in FILTERS and query.flag(f"{name}_exclude"))
        yield _text_test(name, pattern, wanted=wanted)


def _text_test(name: str, pattern: re.Pattern[str], *, wanted: bool) -> Callable[[Run], bool]:
    return lambda run: bool(pattern.match(str(run.record().get(name, "")))) is wanted


def _sets(query: Query) -> Iterable[Callable[[Run], bool]]:
    for name in ("type", "status", "queue", "platform"):
        values = query.many(name)
        if values:
            yield _set_test(name, frozenset(values))


def _set_test(name: str, values: frozenset[str]) -> Callable[[Run], bool]:
    return lambda run: str(run.record().get(name, "")) in values


def _times(query: Query) -> Iterable[Callable[[Run], bool]]:
    option = query.one("time_frame_option") or "all"
    names: Mapping[str, tuple[str, ...]] = {
        "activation": ("activation_time",),
        "start": ("start_time",),
        "end": ("end_time",),
        "all": ("activation_time", "start_time", "end_time"),
    }
    if option not in names:
        raise bad_request("The parameter time_frame_option is not valid.")
    earliest, latest = query.moment("time_frame_from"), query.moment("time_frame_to")
    if earliest is not None or latest is not None:
        low, high = earliest or stamp(0), latest or "9999-12-31T23:59:59Z"

        def test(run: Run) -> bool:
            record = run.record()
            return any(name in record and low <= record[name] <= high for name in names[option])

        yield test
