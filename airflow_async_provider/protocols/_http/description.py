# SPDX-License-Identifier: Apache-2.0
"""
The description of an API: one dataclass a role, read from plain data and checked at once.

The vocabulary is the page ``docs/describing_an_api.md``. Every key of a role is a field here; what kind of
value it takes is the field's ``kind``. Nothing here knows what an answer means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, TypeVar

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.places import Conditions, Place, Places, as_text
from airflow_async_provider.protocols._http.templates import PathTemplate, is_unrendered, nearest
from airflow_async_provider.protocols._http.words import Meaning, plain

T = TypeVar("T")
Kind = Callable[[Any, str], Any]

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "QUERY")
_REQUEST_LINE = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD|QUERY)\s+(?=\S)")

#: Words of ``outcome.http``.
_CODES = frozenset(m.value for m in (Meaning.RUNNING, Meaning.SUCCEEDED, Meaning.FAILED, Meaning.CANCELLED,
                                     Meaning.EXPIRED, Meaning.NO_DATA, Meaning.NOT_RUN))  # fmt: skip


# -- the kinds of values


def text(value: Any, where: str) -> str:
    """One line of text; numbers count as text, as native templates make them of it."""
    if isinstance(value, bool | int | float):
        value = as_text(value)
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{where} must be a text, not {value!r}.")
    return value


def flag(value: Any, where: str) -> bool:
    """True or false; the texts of both count, as templates make them."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if isinstance(value, str) and is_unrendered(value):
        return False
    if not isinstance(value, bool):
        raise ConfigurationError(f"{where} must be true or false, not {value!r}.")
    return value


def one_of(*choices: str) -> Kind:
    """One of these words."""

    def read(value: Any, where: str) -> str:
        if value not in choices and not (isinstance(value, str) and is_unrendered(value)):
            raise ConfigurationError(f"{where} is one of {', '.join(choices)}, not {value!r}.")
        return str(value)

    return read


def number(value: Any, where: str) -> float:
    """A number of seconds, or a count."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ConfigurationError(f"{where} must be a number that is not negative, not {value!r}.")
    return float(value)


def words(value: Any, where: str) -> tuple[str, ...]:
    """A list of words; numbers and truth values count as words."""
    if isinstance(value, str | bytes) or not isinstance(value, list | tuple):
        raise ConfigurationError(f"{where} must be a list of words, not {value!r}.")
    if any(not isinstance(v, str | int | float) for v in value):
        raise ConfigurationError(f"{where} must be a list of words, not {value!r}.")
    return tuple(as_text(v) for v in value)


def codes(value: Any, where: str) -> tuple[int, ...]:
    """A list of HTTP status codes."""
    values = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(v, int) and not isinstance(v, bool) and 100 <= v <= 599 for v in values):
        raise ConfigurationError(f"{where} must be a list of HTTP status codes, not {value!r}.")
    return tuple(values)


def meanings(value: Any, where: str) -> dict[str, Meaning]:
    """HTTP status codes, or classes of them such as ``4xx``, and what they mean."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is a mapping such as {{422: failed}}, not {value!r}.")
    found = {}
    for code, meaning in value.items():
        if not re.fullmatch(r"[1-5]([0-9]{2}|xx)", str(code)):
            raise ConfigurationError(f"{where}: {code!r} is no status code, nor one such as 4xx.")
        if meaning is None:
            continue
        if meaning not in _CODES:
            raise ConfigurationError(
                f"{where}: {meaning!r} is no meaning of {code}. {nearest(str(meaning), _CODES)}"
            )
        found[str(code)] = Meaning(meaning)
    return found


def place(value: Any, where: str) -> Places:
    """A place in an answer, or several, of which the first that is there counts."""
    return Places.parse(value, where)


def place_or_none(value: Any, where: str) -> Places | None:
    """A place, or false for "there is none"."""
    return None if value is False else Places.parse(value, where)


def all_places(value: Any, where: str) -> tuple[Place, ...]:
    """A place, or several, all of which count."""
    return Places.parse(value, where).places


def places_by_name(value: Any, where: str) -> dict[str, Places]:
    """Names and the places of their values."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is a mapping of names to places, not {value!r}.")
    for name in value:
        if not re.fullmatch(r"[A-Za-z_]\w*", str(name)):
            raise ConfigurationError(f"{where}: {name!r} cannot be a name: letters, digits and underscores.")
    return {str(name): Places.parse(v, f"{where}.{name}") for name, v in value.items()}


def progress(value: Any, where: str) -> tuple[Place, ...]:
    """A place, or two of them with a slash between blanks: what is done, and how much there is."""
    parts = value.split(" / ") if isinstance(value, str) else [value]
    if len(parts) > 2:
        raise ConfigurationError(f"{where}: {value!r} is neither a place nor 'done / total'.")
    return tuple(Place.parse(p, where) for p in parts)


def path(value: Any, where: str) -> PathTemplate:
    """An address with placeholders."""
    return PathTemplate.parse(value, where)


def paths(value: Any, where: str) -> tuple[PathTemplate, ...]:
    """An address with placeholders, or several."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(PathTemplate.parse(v, where) for v in values)


def text_by_name(value: Any, where: str) -> dict[str, str]:
    """Query parameters or headers."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is a mapping of names to texts, not {value!r}.")
    return {str(k): text(v, f"{where}.{k}") for k, v in value.items() if v is not None}


def anything(value: Any, where: str) -> Any:
    """Any JSON."""
    return value


def regex(value: Any, where: str) -> re.Pattern[str]:
    """A regular expression."""
    try:
        return re.compile(text(value, where))
    except re.error as e:
        raise ConfigurationError(f"{where}: {value!r} is no regular expression: {e}.") from None


def json_place(value: Any, where: str) -> str:
    """A plain JSON path, which others than we read."""
    try:
        json_path.parse(value)
    except ValueError as e:
        raise ConfigurationError(f"{where}: {e}.") from None
    return str(value)


def key(kind: Kind, default: Any = None, *, name: str | None = None, factory: Any = NO_DEFAULT) -> Any:
    """
    A field of a role.

    :param kind: reads and checks its value
    :param name: how it is written, where that is no name in Python
    """
    metadata = {"kind": kind, "name": name}
    if factory is not NO_DEFAULT:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


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

    moves_to: Places | None = key(place)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the answer of a poll means."""

    state: Places | None = key(place_or_none)
    conclusion: Places | None = key(place_or_none)
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
    error: Places | None = key(place_or_none)
    message: Places | None = key(place)
    progress: tuple[Place, ...] = key(progress, ())
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
                    raise ConfigurationError(f"The word {word!r} stands in two of the lists of words.")
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


def truth_or_place(value: Any, where: str) -> bool | Places:
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
    credentials: bool | Places | None = key(truth_or_place)
    expires: Places | None = key(place)
    again: bool = key(flag, False)
    once: bool = key(flag, False)
    optional: bool = key(flag, False)
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


@dataclass(frozen=True, kw_only=True)
class Delete(Request):
    """The request that removes a job."""

    default_method: ClassVar[str] = "DELETE"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to ask (seconds)."""

    first: float | None = key(number)
    factor: float | None = key(number)
    longest: float | None = key(number)


def as_mapping(value: Any, where: str) -> Mapping[str, Any]:
    """
    A request as a mapping, where it may be one line.

    :raises ConfigurationError: neither
    """
    if isinstance(value, str):
        line = value.strip()
        match = _REQUEST_LINE.match(line)
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
