# SPDX-License-Identifier: Apache-2.0
"""
The description of an API: one dataclass a role, read from plain data and checked at once.

The vocabulary is the page ``docs/describing_an_api.md``. Every key of a role is a field here; what kind of
value it takes is the field's ``kind``. Nothing here knows what an answer means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http.kinds import (
    METHODS,
    REQUEST_LINE,
    Kind,
    all_places,
    anything,
    codes,
    flag,
    json_place,
    key,
    meanings,
    media_types,
    number,
    one_of,
    packing,
    path,
    paths,
    place,
    place_or_none,
    place_or_nowhere,
    places_by_name,
    progress,
    regex,
    text,
    text_by_name,
    words,
)
from airflow_async_provider.protocols._http.places import Conditions, Place, Places
from airflow_async_provider.protocols._http.templates import PathTemplate, nearest
from airflow_async_provider.protocols._http.words import Meaning, plain

T = TypeVar("T")

# -- the roles


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as a description has it."""

    default_method: ClassVar[str] = "GET"

    method: str | None = key(one_of(*METHODS))
    path: PathTemplate | None = key(path)
    query: Mapping[str, str] = key(text_by_name, factory=dict)
    headers: Mapping[str, str] = key(text_by_name, factory=dict)
    json: Any = key(anything)
    form: Mapping[str, str] | None = key(text_by_name)
    text: str | None = key(text)
    repeatable: bool | None = key(flag)


@dataclass(frozen=True, kw_only=True)
class Step(Request):
    """One request of a start, and what its answer says."""

    default_method: ClassVar[str] = "POST"

    id: Places | None = key(place)
    status_url: Places | None = key(place)
    keep: Mapping[str, Places] = key(places_by_name, factory=dict)
    expires: Places | None = key(place)
    failed_if: Conditions = key(Conditions.parse, Conditions())
    done_on: tuple[int, ...] | None = key(codes)
    send: str | None = key(one_of("json", "data", "none"))
    idempotency_key: str = key(text, "header:Idempotency-Key")
    idempotency_quoted: bool | None = key(flag)
    idempotent: bool = key(flag, False)


@dataclass(frozen=True, kw_only=True)
class Poll(Request):
    """How the job is asked about."""

    id: Places | None = key(place_or_nowhere)
    moves_to: Places | None = key(place)
    pick: Places | None = key(place)
    by: str | None = key(json_place)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the answer of a poll means."""

    state: Places | None = key(place_or_none)
    conclusion: Places | None = key(place_or_nowhere)
    running: tuple[str, ...] = key(words, ())
    succeeded: tuple[str, ...] = key(words, ())
    failed: tuple[str, ...] = key(words, ())
    cancelled: tuple[str, ...] = key(words, ())
    not_run: tuple[str, ...] = key(words, ())
    ended: tuple[str, ...] = key(words, ())
    no_data: tuple[str, ...] = key(words, ())
    strict: bool = key(flag, False)
    unknown: str | None = key(one_of("warn", "running", "error"))
    missing: str = key(one_of("error", "running"), "error")
    http: Mapping[str, Meaning] = key(meanings, factory=dict)
    running_if: Conditions = key(Conditions.parse, Conditions())
    failed_if: Conditions = key(Conditions.parse, Conditions())
    cancelled_if: Conditions = key(Conditions.parse, Conditions())
    no_data_if: Conditions = key(Conditions.parse, Conditions())
    error: Places | None = key(place_or_nowhere)
    partial: str = key(one_of("failed", "succeeded"), "failed")
    message: Places | None = key(place)
    progress: tuple[Place, ...] = key(progress, ())
    total: Places | None = key(place)
    whole: bool = key(flag, False)
    redirect: str = key(one_of("result", "error"), "result")

    #: the lists of words, by what they mean
    LISTS: ClassVar[tuple[Meaning, ...]] = (
        Meaning.RUNNING, Meaning.SUCCEEDED, Meaning.FAILED, Meaning.CANCELLED, Meaning.NOT_RUN, Meaning.ENDED,
        Meaning.NO_DATA,
    )  # fmt: skip

    def own_words(self) -> dict[str, Meaning]:
        """
        The description's own words.

        :raises ConfigurationError: one stands in two lists
        """
        found: dict[str, Meaning] = {}
        for meaning in self.LISTS:
            for word in getattr(self, meaning.value):
                if found.setdefault(plain(word), meaning) is not meaning:
                    raise ConfigurationError(
                        f"The word {word!r} stands in two of the lists of words. Where state and conclusion "
                        "share a word, leave the conclusion out and say failed_if: ['returnCode!=0']."
                    )
        return found


@dataclass(frozen=True, kw_only=True)
class Pages:
    """How a result is cut into pages."""

    next: Places | None = key(place)
    into: str | None = key(text)
    end: tuple[str, ...] = key(words, ())
    more: Places | None = key(place)
    count: Places | None = key(place)
    first: float = key(number, 0.0)
    offset: str | None = key(text)
    limit: float | None = key(number)
    total: Places | None = key(place)
    items: str | None = key(json_place)
    csv_header: bool = key(flag, False)


def pages(value: Any, where: str) -> Pages:
    """How a result is cut into pages."""
    made = build(Pages, value, where)
    if not (made.next or (made.into and made.count) or made.offset):
        raise ConfigurationError(
            f"{where} needs next, or into and count, or offset: what leads to the next page."
        )
    if made.offset and not (made.items and (made.limit or made.total)):
        raise ConfigurationError(f"{where}: offset needs items, and limit or total, to know the last page.")
    return made


def boolean_or_place(value: Any, where: str) -> bool | Places:
    """True, false, or the place that says which."""
    if isinstance(value, bool):
        return value
    return Places.parse(value, where)


def request(kind: type[T]) -> Kind:
    """A request of a role, written as a mapping or as one line."""

    def read(value: Any, where: str) -> Any:
        return build(kind, as_mapping(value, where), where)

    return read


@dataclass(frozen=True, kw_only=True)
class ResultPlace:
    """Where the result is."""

    value: Places | None = key(place)
    url: tuple[Place, ...] | None = key(all_places)
    path: tuple[PathTemplate, ...] | None = key(paths)
    query: Mapping[str, str] = key(text_by_name, factory=dict)
    headers: Mapping[str, str] = key(text_by_name, factory=dict)
    name: tuple[Place, ...] | None = key(all_places)
    source: Request | None = key(request(Request), name="from")
    credentials: bool | Places | None = key(boolean_or_place)
    expires: Places | None = key(place)
    checksum: Places | None = key(place)
    unpack: str | Places | None = key(packing)
    media_type: tuple[str, ...] = key(media_types, ())
    again: bool = key(flag, False)
    once: bool = key(flag, False)
    optional: bool = key(flag, False)
    whole: bool = key(flag, False)
    pages: Pages | None = key(pages)

    @property
    def named(self) -> bool:
        """Whether anything says where in an answer the result is."""
        return bool(self.value or self.url or self.path or self.source)


@dataclass(frozen=True, kw_only=True)
class Cancel(Request):
    """The request that stops a job."""

    default_method: ClassVar[str] = "POST"

    accepted_if: Conditions = key(Conditions.parse, Conditions())
    at: re.Pattern[str] | None = key(regex)
    source: Request | None = key(request(Request), name="from")


@dataclass(frozen=True, kw_only=True)
class Delete(Request):
    """The request that removes a job."""

    default_method: ClassVar[str] = "DELETE"


@dataclass(frozen=True, kw_only=True)
class Polling:
    """How often to ask (seconds)."""

    interval: float | None = key(number)
    backoff: float | None = key(number)
    max_interval: float | None = key(number)


def as_mapping(value: Any, where: str) -> Mapping[str, Any]:
    """
    A request as a mapping, where it may be one line.

    :raises ConfigurationError: neither
    """
    if isinstance(value, str):
        line = value.strip()
        match = REQUEST_LINE.match(line)
        return {"method": match[1], "path": line[match.end() :]} if match else {"path": line}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is a mapping, or one line such as 'POST jobs/{{job_id}}/stop'.")
    return value


def build(cls: type[T], value: Any, where: str) -> T:
    """
    A role from its mapping.

    :raises ConfigurationError: a key that it does not have, or a value that cannot be understood
    """
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is a mapping of keys, not {value!r}.")
    known = {f.metadata["name"] or f.name: f for f in fields(cls) if "kind" in f.metadata}  # type: ignore[arg-type] # all roles are dataclasses
    found = {}
    for name, given in value.items():
        if name not in known:
            raise ConfigurationError(f"{where} has no key {name!r}. {nearest(str(name), known)}")
        if given is not None:
            found[known[name].name] = known[name].metadata["kind"](given, f"{where}.{name}")
    return cls(**found)
