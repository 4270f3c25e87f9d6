# SPDX-License-Identifier: Apache-2.0
"""
Where something is in an answer, and what an answer must say: the places and conditions of a description.

A place is a JSON path (with ``[*]`` for every element), ``$`` for the whole body, ``header:NAME``,
``http:status`` or ``http:url``; `` ~ regex`` behind it takes a part of the text. See
``docs/describing_an_api.md``.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Final

from airflow_async_provider.errors import ConfigurationError, DescriptionError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.values import body_text
from airflow_async_provider.protocols._http_messages import HttpResponse

MISSING: Final = json_path.MISSING

#: More values than this at one place are a mistake of the description, or an attack on the event loop.
MAX_VALUES = 10_000

#: A regular expression sees no more than this of a text (characters).
MAX_SEARCHED = 2000

#: Of a text in which all matches count, no more than this is looked at (characters).
MAX_SEARCHED_FOR_ALL = 200_000

_HTTP = ("http:status", "http:url")


class Answer:
    """
    An answer whose body is decoded once, on demand.

    :param response: the answer
    """

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        #: whether it stands for a part of the response's body only
        self.is_part = False

    @cached_property
    def document(self) -> Any:
        """The body as JSON, :data:`MISSING` where it is none."""
        if not self.response.body.strip():
            return MISSING
        try:
            return json.loads(body_text(self.response))
        except (ValueError, RecursionError):
            return MISSING

    def narrowed(self, document: Any) -> Answer:
        """The same answer as if its body held only a part of its document."""
        part = Answer(self.response)
        part.__dict__["document"] = document
        part.is_part = True
        return part

    @property
    def body(self) -> Any:
        """The body as JSON, or as text where it is none; :data:`MISSING` where there is nothing."""
        if self.document is not MISSING:
            return self.document
        return body_text(self.response).strip() or MISSING


@dataclass(frozen=True, slots=True)
class Place:
    """
    One place in an answer.

    :param text: as it was written
    :raises ConfigurationError: it cannot be understood
    """

    text: str
    #: what the text names, without the regular expression
    source: str
    pattern: re.Pattern[str] | None

    @classmethod
    def parse(cls, text: Any, where: str) -> Place:
        """
        Read a place.

        :param where: what it is the value of, for messages
        :raises ConfigurationError: it cannot be understood
        """
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError(f"{where}: {text!r} is no place in an answer, such as 'data.id'.")
        source, tilde, expression = (part.strip() for part in text.partition(" ~ "))
        try:
            pattern = re.compile(expression) if tilde else None
        except re.error as e:
            raise ConfigurationError(f"{where}: {expression!r} is not a regular expression: {e}.") from None
        if source.startswith("http:") and source not in _HTTP:
            raise ConfigurationError(f"{where}: {source!r} is neither http:status nor http:url.")
        if source.startswith("header:"):
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", source[7:].strip()):
                raise ConfigurationError(f"{where}: {source!r} names no header.")
        elif not source.startswith("http:"):
            for part in _parts(source):
                try:
                    json_path.parse(part)
                except ValueError as e:
                    raise ConfigurationError(f"{where}: {e}.") from None
        return cls(text, source, pattern)

    @property
    def many(self) -> bool:
        """Whether it names every element of a list or object."""
        return "[*]" in self.source

    def read(self, answer: Answer) -> Any:
        """What stands there, :data:`MISSING` when there is nothing; of many the list of them."""
        if self.source == "http:status":
            found: Any = str(answer.response.status)
        elif self.source == "http:url":
            found = answer.response.url or MISSING
        elif self.source.startswith("header:"):
            found = answer.response.headers.get(self.source[7:].strip()) or MISSING
        elif self.many:
            found = self._every(answer)
        else:
            found = answer.body if self.source == "$" else json_path.read(answer.document, self.source)
        if self.pattern is None or found is MISSING or found is None:
            return found
        if self.source == "$" and isinstance(found, str) and found[:1] == "<":
            part = self._cut(found)
            return html.unescape(part) if isinstance(part, str) else part
        return [self._cut(f) for f in found] if isinstance(found, list) else self._cut(found)

    def _every(self, answer: Answer) -> Any:
        parts = _parts(self.source)
        head = json_path.read(answer.document, parts[0]) if parts[0] else answer.document
        if not isinstance(head, list | dict):
            return MISSING
        found = list(islice(_walk(head, parts[1:]), MAX_VALUES + 1))
        if len(found) > MAX_VALUES:
            raise DescriptionError(
                f"HTTP {answer.response.status}: there are more than {MAX_VALUES} values at {self.text!r}, "
                "and a part of them would say nothing of the rest. Ask for fewer at a time.",
                http_status=answer.response.status,
            )
        return found

    @property
    def parent(self) -> Place | None:
        """The place of the object that holds it, None where that is the document, or nothing to look into."""
        if self.source.startswith(("/", "header:", "http:")) or self.source in ("$", ""):
            return None
        head, dot, name = self.source.rpartition(".")
        if not dot or "]" in name or not head.strip("$"):
            return None
        return Place(head, head, None)

    def elements(self, answer: Answer) -> int:
        """How many elements the lists of a place with ``[*]`` have, whether or not the field is in them."""
        head = self.source[: self.source.rindex("[*]") + 3]
        found = Place(head, head, None).read(answer)
        return len(found) if isinstance(found, list) else 0

    def _cut(self, value: Any) -> Any:
        match = self.pattern.search(str(value)[:MAX_SEARCHED]) if self.pattern else None
        if match is None:
            return MISSING
        return match[1] if match.re.groups else match[0]

    def matches(self, text: str) -> list[str]:
        """All that the regular expression finds in a text, in pieces of what it may see at a time."""
        found: list[str] = []
        at, text = 0, text[:MAX_SEARCHED_FOR_ALL]
        while self.pattern is not None and at < len(text) and len(found) < MAX_VALUES:
            match = self.pattern.search(text, at, at + MAX_SEARCHED)
            if match is None:
                at += MAX_SEARCHED // 2
                continue
            if (part := match[1] if match.re.groups else match[0]) is not None:
                found.append(part)
            at = max(match.end(), at + 1)
        return found

    def picks_one_of(self, answer: Answer) -> int:
        """Of how many elements an index such as ``urls[0]`` picks one; 1 where there is no choice."""
        # If the first is really wanted, a JSON Pointer says so.
        if self.many or (self.source.startswith(("/", "header:", "http:", "$")) and "[" not in self.source):
            return 1
        here, most = answer.document, 1
        if self.source.startswith("/"):
            return 1
        for step in json_path.parse(self.source):
            if isinstance(step, int) and isinstance(here, list):
                most = max(most, len(here))
                here = here[step] if step < len(here) else MISSING
            else:
                here = here.get(step, MISSING) if isinstance(here, dict) else MISSING
        return most


def _parts(source: str) -> list[str]:
    """The plain paths between the ``[*]`` of a path."""
    head, *rest = source.split("[*]")
    return [head, *(part.removeprefix(".") for part in rest)]


def _walk(here: Any, rest: Sequence[str]) -> Iterator[Any]:
    for element in here.values() if isinstance(here, dict) else here:
        found = json_path.read(element, rest[0]) if rest[0] else element
        if len(rest) > 1:
            if isinstance(found, list | dict):
                yield from _walk(found, rest[1:])
        elif found is not MISSING:
            yield found


@dataclass(frozen=True, slots=True)
class Places:
    """The first of several places that is there."""

    places: tuple[Place, ...]

    @classmethod
    def parse(cls, value: Any, where: str) -> Places:
        """
        Read one place, or a list of them.

        :raises ConfigurationError: one that cannot be understood
        """
        if isinstance(value, list | tuple) and value:
            return cls(tuple(Place.parse(v, where) for v in value))
        return cls((Place.parse(value, where),))

    def read(self, answer: Answer) -> Any:
        """What stands at the first place that is there and not null; None or :data:`MISSING` otherwise."""
        last: Any = MISSING
        for place in self.places:
            found = place.read(answer)
            if found is not MISSING and found is not None:
                return found
            last = None if found is None else last
        return last

    def every_match(self, answer: Answer) -> list[str] | None:
        """
        All that a regular expression finds in a body of text, None where that is not what is there.

        A document of text that holds several states is judged by all of them, as a list is.
        """
        there = next((p for p in self.places if p.read(answer) not in (MISSING, None)), None)
        if there is None or there.source != "$" or there.pattern is None:
            return None
        return there.matches(answer.body) if isinstance(answer.body, str) else None

    def __str__(self) -> str:
        return " or ".join(p.text for p in self.places)


@dataclass(frozen=True, slots=True)
class _Test:
    place: Place
    operator: str
    value: str

    def holds(self, answer: Answer, *, null: bool) -> bool:
        found = self.place.read(answer)
        if found is MISSING or (found is None and not null):
            return False
        if not self.operator:
            return says_something(found)
        values = found if isinstance(found, list) else [found]
        same = [as_text(v).casefold() == self.value.casefold() for v in values]
        return any(same) if self.operator == "==" else not any(same)

    def __str__(self) -> str:
        return f"{self.place.text}{self.operator}{self.value}"


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions of which one is enough; none ever hold where there are none."""

    alternatives: tuple[tuple[_Test, ...], ...] = ()

    @classmethod
    def parse(cls, value: Any, where: str) -> Conditions:
        """
        Read a list of conditions.

        :raises ConfigurationError: one that cannot be understood
        """
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple):
            raise ConfigurationError(f"{where} is a list of conditions such as ['error', 'count==0'].")
        return cls(tuple(cls._one(condition, where) for condition in value))

    @staticmethod
    def _one(condition: Any, where: str) -> tuple[_Test, ...]:
        parts = condition if isinstance(condition, list | tuple) else [condition]
        if not parts or not all(isinstance(p, str) for p in parts):
            raise ConfigurationError(
                f"{where}: {condition!r} is not a condition: a text, or a list of texts."
            )
        tests = []
        for part in parts:
            match = re.search(r"==|!=", part)
            path, value = (part[: match.start()], part[match.end() :]) if match else (part, "")
            tests.append(_Test(Place.parse(path.strip(), where), match[0] if match else "", value.strip()))
        return tuple(tests)

    def incomparable(self, answer: Answer) -> str | None:
        """A condition such as ``count!=0`` whose field is not in the answer, None where there is none."""
        for tests in self.alternatives:
            if len(tests) == 1 and tests[0].operator == "!=" and tests[0].place.read(answer) is MISSING:
                return str(tests[0])
        return None

    def holds(self, answer: Answer, *, null: bool = True) -> str | None:
        """
        The first condition that holds, in words; None when none does.

        :param null: whether null is a value; of a job that runs it means "not yet"
        """
        for tests in self.alternatives:
            if all(test.holds(answer, null=null) for test in tests):
                return " and ".join(map(str, tests))
        return None


def says_something(value: Any) -> bool:
    """Whether a field says anything: not null, false, 0, empty, nor an object or list of such."""
    todo = [value]  # no recursion: a remote may nest as deeply as it likes
    while todo:
        here = todo.pop()
        if isinstance(here, dict | list):
            todo += here.values() if isinstance(here, dict) else here
        elif here:
            return True
    return False


def as_text(value: Any) -> str:
    """A JSON value as a word: numbers and booleans as JSON writes them."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
