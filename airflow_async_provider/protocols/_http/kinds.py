# SPDX-License-Identifier: Apache-2.0
"""The kinds of values that the keys of a description take: each reads one, or says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import field
from typing import Any, Final

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.places import Place, Places, as_text
from airflow_async_provider.protocols._http.templates import PathTemplate, is_unrendered, nearest
from airflow_async_provider.protocols._http.words import Meaning

Kind = Callable[[Any, str], Any]

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "QUERY")
REQUEST_LINE = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD|QUERY)\s+(?=\S)")

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
    """A list of words; numbers and booleans count as words."""
    if isinstance(value, str):
        raise ConfigurationError(f'{where} must be a list of words, ["{value}"], not {value!r}.')
    if not isinstance(value, list | tuple):
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
            raise ConfigurationError(f"{where}: {code!r} is not a status code, nor one such as 4xx.")
        if meaning is None:
            continue
        if meaning not in _CODES:
            raise ConfigurationError(
                f"{where}: {meaning!r} is not a meaning of {code}. {nearest(str(meaning), _CODES)}"
            )
        found[str(code)] = Meaning(meaning)
    return found


def place(value: Any, where: str) -> Places:
    """A place in an answer, or several, of which the first that is there counts."""
    return Places.parse(value, where)


def place_or_none(value: Any, where: str) -> Places | None:
    """A place, or false for "there is none"."""
    return None if value is False else Places.parse(value, where)


def place_or_nowhere(value: Any, where: str) -> Places:
    """A place, or false for "nowhere, and look at no other"."""
    return Places(()) if value is False else Places.parse(value, where)


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


def packing(value: Any, where: str) -> str | Places:
    """``gzip`` or ``zip``, or the place that says which."""
    return value if value in ("gzip", "zip") else Places.parse(value, where)


def media_types(value: Any, where: str) -> tuple[str, ...]:
    """A media type, or several; ``*`` stands for any part of one."""
    values = value if isinstance(value, list | tuple) else [value]
    found = tuple(v.partition(";")[0].strip().lower() if isinstance(v, str) else "" for v in values)
    if not found or any(not re.fullmatch(r"[\w!#$&^.+*-]+/[\w!#$&^.+*-]+", v) for v in found):
        raise ConfigurationError(
            f"{where} is a media type such as text/csv, or a list of them, not {value!r}."
        )
    return found


def anything(value: Any, where: str) -> Any:
    """Any JSON."""
    return value


def regex(value: Any, where: str) -> re.Pattern[str]:
    """A regular expression."""
    try:
        return re.compile(text(value, where))
    except re.error as e:
        raise ConfigurationError(f"{where}: {value!r} is not a regular expression: {e}.") from None


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
