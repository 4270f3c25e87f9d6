# SPDX-License-Identifier: Apache-2.0
"""A request as a protocol wants it, and the answer to it: no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_async_provider.errors import UnreadableAnswerError
from airflow_async_provider.protocols._redaction import excerpt


class Headers(Mapping[str, str]):
    """HTTP headers: names compared without regard to case, the last of equal names wins."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        self._items: dict[str, tuple[str, str]] = {k.lower(): (k, v) for k, v in pairs}

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default; most are not there, and an exception for each would be dear."""
        item = self._items.get(name.lower())
        return default if item is None else item[1]

    def first(self, names: Iterable[str]) -> str | None:
        """
        The first value that is not empty, None when there is none.

        :param names: in lower case, in the order of preference
        """
        for name in names:
            item = self._items.get(name)
            if item is not None and item[1]:
                return item[1]
        return None

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:  # values may be credentials
        return f"Headers({sorted(self._items)})"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """
    A request as the protocol wants it; the transport adds base URL, credentials and time limits.

    :param method: HTTP method in capitals
    :param url: path below the connection's base URL ("event/7/apiItems/async"), or an absolute URL that the
        remote handed out, which is then sent exactly as received and only if its origin is allowed
    :param params: query parameters; a list repeats the name
    :param json: body to be sent as JSON (None: no JSON body)
    :param body: raw body, used when ``json`` is None
    :param repeatable: True when sending it twice does no harm, so the transport may try again after a
        lost answer; a submission that starts a job is not repeatable
    :param headers: further headers; they win over the connection's own of the same name
    :param max_body_bytes: read at most so many bytes of the answer's body and hand over the beginning, where
        the answer may be the result itself; None: an answer beyond the transport's bound is an error
    """

    method: str
    url: str = field(repr=False)  # opaque ones and callback addresses are secrets
    params: Mapping[str, Any] | None = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    repeatable: bool = True
    max_body_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """
    A whole, bounded answer.

    :param received_at: the receiving process's clock (epoch seconds): a protocol has no clock of its own
    :param url: the URL that answered, after redirects
    :param complete: False when the body is only the beginning (see :attr:`HttpRequest.max_body_bytes`)
    """

    status: int
    headers: Headers
    body: bytes = field(repr=False)
    received_at: float
    url: str = field(default="", repr=False)
    complete: bool = True

    def json_object(self, *, job: str | None = None) -> dict[str, Any]:
        """
        The body as a JSON object.

        :raises UnreadableAnswerError: when it is not JSON, or JSON of another shape
        """
        value = json_or_none(self.body)
        if value is None:
            raise UnreadableAnswerError(
                f"HTTP {self.status}: expected a JSON object.",
                excerpt=excerpt(self.body),
                job=job,
                http_status=self.status,
            )
        return value


def json_or_none(body: bytes) -> dict[str, Any] | None:
    """A body as a JSON object, None when it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
