# SPDX-License-Identifier: Apache-2.0
"""
Texts of a description with ``{name}`` in them: paths, query values, headers, bodies.

Plain replacement: nothing of the remote's values is taken for a format instruction, and what goes into a path
is encoded.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http.places import MISSING, as_text

_PLACEHOLDER = re.compile(r"\{(\+?)([^{}]*)\}")
_NAME = re.compile(r"\{(\+?)([A-Za-z_][^{}\s:\"]*)\}")

#: What ends a quoted text of GraphQL or an element of XML: an id with one of these would be an instruction.
_BREAKS = frozenset('"\\<>')

#: What ``{name}`` stands for: a value, or :data:`MISSING`.
Lookup = Callable[[str], Any]


def is_unrendered(text: str) -> bool:
    """Whether Airflow has still to render a text: it is checked once it has."""
    return "{{" in text or "{%" in text


def nearest(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'?``, or what there is."""
    names = sorted(set(known))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(names)}."


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """
    An address with placeholders: ``jobs/{job_id}``, ``{status_url}/results``, ``v1/{+name}``.

    At the start a value is an address and is taken as it is; elsewhere it is one encoded segment, and
    ``{+name}`` keeps its slashes.
    """

    text: str

    @classmethod
    def parse(cls, text: Any, where: str) -> PathTemplate:
        """
        Read a template.

        :raises ConfigurationError: it cannot be one
        """
        if not isinstance(text, str):
            raise ConfigurationError(f"{where}: a path template is a text, not {text!r}.")
        text = text.strip()
        rest = _PLACEHOLDER.sub("", text)
        if not text or (
            not is_unrendered(text) and any(c.isspace() or c in "{}\\" or not c.isprintable() for c in rest)
        ):
            raise ConfigurationError(f"{where}: {text!r} is not a usable path template.")
        return cls(text)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its placeholders."""
        return () if is_unrendered(self.text) else tuple(m[2] for m in _PLACEHOLDER.finditer(self.text))

    def fill(self, lookup: Lookup) -> str:
        """
        The address.

        :raises ValueError: a value that is not there, or that would lead to another place
        """
        out: list[str] = []
        at = 0
        for match in _PLACEHOLDER.finditer(self.text):
            out.append(self.text[at : match.start()])
            value = lookup(match[2])
            if value is MISSING or value is None or isinstance(value, dict | list):
                raise ValueError(f"there is no value for {{{match[2]}}}")
            text = as_text(value)
            out.append(text if match.start() == 0 else _segment(text, slashes=bool(match[1])))
            if match.start() == 0:
                return _behind(_leading(text, plus=bool(match[1])), self._rest(match.end(), lookup))
            at = match.end()
        return "".join(out) + self.text[at:]

    def _rest(self, start: int, lookup: Lookup) -> str:
        rest = self.text[start:]
        # The rest is a template of its own, in which nothing stands at the start any more.
        return PathTemplate(f" {rest}").fill(lookup)[1:] if rest else ""

    def fill_all(self, lookup: Lookup) -> list[str]:
        """
        One address for each value of a placeholder with ``[*]``; values that are null make none.

        :raises ValueError: as :meth:`fill`
        """
        values: dict[str, list[Any]] = {}
        for name in self.names:
            found = lookup(name)
            if found is None:
                return []
            if "[*]" in name:
                values[name] = found if isinstance(found, list) else []
                if found is MISSING:
                    raise ValueError(f"there is no value for {{{name}}}")
        if not values:
            return [self.fill(lookup)]
        count = min(map(len, values.values()))
        return [
            self.fill(lambda n, i=i: values[n][i] if n in values else lookup(n))  # type: ignore[misc] # mypy wants the default's type
            for i in range(count)
        ]


def _leading(value: str, *, plus: bool) -> str:
    """A value at the start of a path: an address, or a path of the remote's own."""
    if value.startswith(("http://", "https://", "/")) or plus or "?" in value or "/" in value:
        if "://" not in value.split("?", 1)[0] and any(s == ".." for s in value.split("/")):
            raise ValueError("this value cannot be part of a path")
        return value
    return _segment(value, slashes=False)


def _behind(base: str, rest: str) -> str:
    """An address with something behind its path; its own query stays last."""
    path, mark, query = base.partition("?")
    own, own_mark, own_query = rest.partition("?")
    if own_mark:
        return f"{path}{own}?{own_query}" + (f"&{query}" if query else "")
    return path + rest + mark + query


def _segment(value: str, *, slashes: bool) -> str:
    segments = value.split("/") if slashes else [value]
    if any(s in ("", ".", "..") for s in segments):
        raise ValueError("this job id cannot be part of a path")
    return quote(value, safe="/" if slashes else "")


def fill_text(text: str, lookup: Lookup) -> str:
    """
    A query value or header with its placeholders replaced.

    :raises ValueError: a value that is not there
    """

    def one(match: re.Match[str]) -> str:
        value = lookup(match[2])
        if value is MISSING or value is None:
            raise ValueError(f"there is no value for {{{match[2]}}}")
        return as_text(value)

    return _NAME.sub(one, text)


def fill_body(value: Any, lookup: Lookup) -> Any:
    """
    A JSON body with its placeholders replaced; braces that name nothing stay, as in GraphQL.

    :raises ValueError: a value that would end the text around it
    """
    if isinstance(value, Mapping):
        return {k: fill_body(v, lookup) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [fill_body(v, lookup) for v in value]
    if not isinstance(value, str):
        return value
    whole = _NAME.fullmatch(value)
    if whole is not None:
        found = lookup(whole[2])
        return value if found is MISSING else found

    def one(match: re.Match[str]) -> str:
        found = lookup(match[2])
        if found is MISSING:
            return match[0]
        text = as_text(found)
        if any(c in _BREAKS or not c.isprintable() for c in text):
            raise ValueError(f"the value of {match[0]} cannot stand inside a text of the body")
        return text

    return _NAME.sub(one, value)


def names_in(value: Any) -> set[str]:
    """The names in the texts of a body, a query or headers."""
    if isinstance(value, Mapping):
        return set().union(*(names_in(v) for v in value.values()))
    if isinstance(value, list | tuple):
        return set().union(*(names_in(v) for v in value))
    return (
        {m[2] for m in _NAME.finditer(value)}
        if isinstance(value, str) and not is_unrendered(value)
        else set()
    )


def check_names(names: Iterable[str], known: Iterable[str], where: str, *, strict: bool) -> None:
    """
    Refuse a placeholder that nothing can fill.

    :param strict: False where unknown ones may be meant as they stand: then only near misses are refused
    :raises ConfigurationError: with the nearest right name
    """
    known = set(known)
    for name in names:
        if name in known:
            continue
        if strict or difflib.get_close_matches(name, known, n=1, cutoff=0.8):
            raise ConfigurationError(f"{where}: nothing fills {{{name}}} here. {nearest(name, known)}")
