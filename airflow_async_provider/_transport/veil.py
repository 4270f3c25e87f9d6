# SPDX-License-Identifier: Apache-2.0
"""
Credentials of the connection that a remote writes into its status URLs: not stored with the job.

Some APIs have the key in the path (``/v1/{key}/jobs/7``) or the query of the URLs that they hand out. A job
handle lies unencrypted in XComs, triggers and the task's state, so a mark stands there instead, such as
``~~x-api-key.all.plain~~``: which part of which header the credential is, and how it was spelled. The mark is
replaced when the URL is requested, by what the connection has then.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

from airflow_async_provider._transport.auth import StaticAuth
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._redaction import SHORTEST_SECRET

if TYPE_CHECKING:
    from airflow_async_provider._transport.endpoint import Endpoint

_BOUND: Final = "~~"
_MARK: Final = re.compile(r"~~([a-z0-9-]+)\.[a-z]+\.[a-z]+~~")

#: Names of headers that hold credentials: the name of a tenant may stand in a URL.
_CREDENTIAL: Final = re.compile("(?i)auth|token|secret|passw|key|credential|signature|session|cookie")


def veiled(url: str, endpoint: Endpoint) -> str:
    """A URL with marks in place of the connection's own credentials."""
    known = _spellings(endpoint)
    for mark in sorted(known, key=lambda mark: len(known[mark]), reverse=True):
        url = url.replace(known[mark], mark)
    return url


def revealed(url: str, endpoint: Endpoint) -> str:
    """
    The URL as the remote has handed it out.

    :raises ConfigurationError: the connection has no such credential any more
    """
    if _BOUND not in url:
        return url
    known = _spellings(endpoint)
    for mark in _MARK.finditer(url):
        if mark.group() not in known:
            raise ConfigurationError(
                f"The status URL of the job holds the credential in the header {mark.group(1)!r} of the "
                "connection, which has none there now. Set the connection back, or clear the task."
            )
    return _MARK.sub(lambda mark: known[mark.group()], url)


def _spellings(endpoint: Endpoint) -> dict[str, str]:
    """The mark of each spelling of each credential that stays the same: a token that is fetched does not."""
    fixed = endpoint.auth.values if isinstance(endpoint.auth, StaticAuth) else {}
    return {
        mark: spelled
        for name, value in {**endpoint.headers, **fixed}.items()
        if _CREDENTIAL.search(name)
        for part, secret in _parts(value).items()
        for how, spelled in _in_a_url(secret).items()
        if _MARK.fullmatch(mark := f"{_BOUND}{name.lower()}.{part}.{how}{_BOUND}")
    }


def _parts(value: str) -> dict[str, str]:
    scheme, _, token = value.partition(" ")
    found = {"all": value, "token": token.strip()}
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error):
            found["password"] = (
                base64.b64decode(token, validate=True).decode("utf-8", "replace").partition(":")[2]
            )
    return {part: secret for part, secret in found.items() if len(secret) >= SHORTEST_SECRET}


def _in_a_url(secret: str) -> dict[str, str]:
    quoted = {"quoted": quote(secret, safe=""), "path": quote(secret), "query": quote_plus(secret)}
    return {"plain": secret, **quoted}
