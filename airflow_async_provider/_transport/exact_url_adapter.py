# SPDX-License-Identifier: Apache-2.0
"""
Sending a URL byte for byte, and keeping it out of every log.

A pre-signed URL is a signature over its own spelling, and an opaque status URL may be looked up by it.
``requests`` normalises URLs (it decodes ``%7E``, encodes again, and urllib3 turns ``%2f`` into ``%2F``),
which breaks both. It also adds a password from ``~/.netrc``, cookies, and follows redirects by rules of its
own. So a request goes through the adapter of ``requests`` alone, without its ``Session``, and the adapter
knows no more than scheme, host and perhaps path: the true request target is put in where the request line is
written. Thereby neither urllib3's debug lines nor any exception of ``requests`` or urllib3 ever sees the
query, which is the secret part.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

#: What cannot stand in a request line at all: these are encoded, everything else stays as it is.
_NOT_SENDABLE = re.compile(r"[^\x21-\x7e]+")

#: Interim answers (1xx) before the true one, and bytes of a line of theirs.
MAX_INTERIM, MAX_LINE = 20, 65536


def request_target(url: str) -> str:
    """The part of an absolute URL behind the authority, without fragment, spelled as it is in the URL."""
    rest = url.split("#", 1)[0].split("://", 1)[1]
    cut = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
    target = rest[cut:]
    if not target.startswith("/"):
        target = "/" + target
    return _NOT_SENDABLE.sub(lambda match: quote(match.group(), safe=""), target)


def exact_adapter(
    target: Callable[[Any], str],
    *,
    connections: int,
    hosts: int,
    watch: Callable[[str], None] | None = None,
) -> Any:
    """
    An adapter of ``requests`` whose connections write the given request target.

    :param target: gives the target (see :func:`request_target`) of the request that this thread is sending;
        called with the connection, whose ``connected_socket`` is the socket it has got
    :param connections: how many connections to a host to keep
    :param hosts: to how many hosts
    :param watch: called with the address of each new connection, before anything is sent on it; may raise
    """
    from requests.adapters import HTTPAdapter

    class ExactAdapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            _write_target(self.poolmanager, target, watch)

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            return _write_target(super().proxy_manager_for(*args, **kwargs), target, watch)

    return ExactAdapter(pool_connections=hosts, pool_maxsize=connections, max_retries=0)


def _write_target(manager: Any, target: Callable[[Any], str], watch: Callable[[str], None] | None) -> Any:
    """Make the connections of a pool manager write this target in their request lines."""
    manager.pool_classes_by_scheme = {
        scheme: type(
            f"Exact{pool.__name__}", (pool,), {"ConnectionCls": _connection_class(pool, target, watch)}
        )
        for scheme, pool in manager.pool_classes_by_scheme.items()
        if not pool.__name__.startswith("Exact")  # requests hands out a kept proxy manager again
    } or manager.pool_classes_by_scheme
    return manager


def _connection_class(pool: Any, target: Callable[[Any], str], watch: Callable[[str], None] | None) -> Any:
    base = pool.ConnectionCls

    def putrequest(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        # Through a plain HTTP proxy the target is a whole URL (RFC 9112 §3.2.2), else it is the path.
        prefix = "" if url.startswith("/") else "/".join(url.split("/", 3)[:3])
        base.putrequest(self, method, prefix + target(self), *args, **kwargs)

    def connect(self: Any) -> None:
        base.connect(self)
        self.connected_socket = self.sock  # http.client forgets it while an answer is still being read

    def _new_conn(self: Any) -> Any:
        connected = base._new_conn(self)
        # Before TLS and before the request: through a proxy the address is the proxy's, and it decides.
        if watch is not None and self.proxy is None:
            try:
                watch(connected.getpeername()[0])
            except BaseException:
                connected.close()
                raise
        return connected

    members = {
        "putrequest": putrequest,
        "_new_conn": _new_conn,
        "connect": connect,
        "response_class": _whole_head(base.response_class),
    }
    return type(f"Exact{base.__name__}", (base,), members)


def _whole_head(base: Any) -> Any:
    """
    Answers whose head did not end by the end of the connection.

    http.client takes what has come of such a head for all of it: without the length that it did not see, a
    result of no bytes would be whole.
    """

    def _read_status(self: Any) -> tuple[Any, int, str]:
        # http.client skips 100 alone, and takes 103 (Early Hints) for the answer. The true one would be read
        # by the next request on the connection.
        for _ in range(MAX_INTERIM):
            found: tuple[Any, int, str] = base._read_status(self)
            if not 100 < found[1] < 200:
                return found
            while self.fp.readline(MAX_LINE).rstrip(b"\r\n"):
                pass
        raise ConnectionResetError("More interim answers than anybody needs")

    def begin(self: Any) -> None:
        self.fp = lines = _Lines(self.fp)
        try:
            base.begin(self)
        finally:
            self.fp = lines.file
        if lines.ended:
            self.close()
            raise ConnectionResetError("The connection was closed in the middle of the answer's head")

    return type(f"Whole{base.__name__}", (base,), {"begin": begin, "_read_status": _read_status})


class _Lines:
    """Lines of a file, and whether it has come to its end."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.ended = False

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self.file.readline(limit)
        self.ended = not line
        return line

    def close(self) -> None:
        self.file.close()
