# SPDX-License-Identifier: Apache-2.0
"""
Where credential headers come from, and how a stale token is replaced.

An :class:`Auth` lives as long as the process keeps the connection, so that a token is fetched once for all
jobs that use it. Fetching itself is I/O and comes in from the sync or the async side as a function.
"""

from __future__ import annotations

import base64
import math
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar
from urllib.parse import quote, urlencode

from airflow_async_provider._urls import origin
from airflow_async_provider.errors import (
    AuthenticationError,
    RemoteError,
    TransientError,
    UnreadableAnswerError,
)
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._responses import raise_for_answer

#: A token is replaced this long before its end (seconds), or after 9/10 of a shorter life.
TOKEN_MARGIN = 60.0


class Auth(ABC):
    """Credential headers of one connection."""

    @abstractmethod
    def headers(self) -> Mapping[str, str] | None:
        """
        The headers to send now; None when a token must be fetched first.

        The same object for as long as they are the same: whoever sends them often goes by that.
        """

    def token_request(self) -> HttpRequest:
        """The request that fetches a token: an absolute URL, with its own credentials in the headers."""
        raise NotImplementedError

    def accept_token(self, response: HttpResponse) -> None:
        """Take the answer to :meth:`token_request`."""
        raise NotImplementedError

    def reject(self, headers: Mapping[str, str]) -> bool:
        """
        The remote answered 401 to these headers.

        :return: True when another try can bring other headers
        """
        return False


def before_sending(error: RemoteError) -> RemoteError:
    """
    A failure to get a token, as a failure of the request that was to carry it: that one was not sent.

    So even a request that must not be repeated may be, and an unreadable token answer (a gateway's page) is
    as transient as it would be elsewhere.
    """
    if not isinstance(error, TransientError | UnreadableAnswerError):
        error.job = None  # what is named there is the token, and no job was begun
        return error
    return TransientError(
        str(error),
        retry_after=getattr(error, "retry_after", None),
        sent=False,
        http_status=error.http_status,
        request_id=error.request_id,
    )


class NoAuth(Auth):
    """No credentials at all."""

    _NOTHING: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def headers(self) -> Mapping[str, str]:
        """Nothing."""
        return self._NOTHING

    def __repr__(self) -> str:
        return "NoAuth()"


@dataclass(frozen=True, slots=True)
class StaticAuth(Auth):
    """Headers that never change: a ready token, an API key, Basic."""

    values: Mapping[str, str] = field(repr=False)

    def headers(self) -> Mapping[str, str]:
        """The headers."""
        return self.values


def basic(login: str, password: str, encoding: str = "utf-8") -> str:
    """
    The value of an ``Authorization: Basic`` header.

    :param encoding: RFC 7617 leaves it open; some vendors insist on ISO-8859-1
    :raises UnicodeEncodeError: a character that the encoding does not have
    """
    return "Basic " + base64.b64encode(f"{login}:{password}".encode(encoding)).decode("ascii")


class ClientCredentialsAuth(Auth):
    """
    OAuth 2.0 client credentials (RFC 6749 §4.4): a token is fetched when needed and kept until near its end.

    :param token_url: absolute URL of the token endpoint; the connection names it, so it gets the client's
        id and secret, and nothing that it redirects to does
    :param scope: sent when given
    :param extra: headers that go along with the token (an API key)
    :param token_extra: headers of the token request itself
    """

    def __init__(
        self,
        *,
        token_url: str,
        client_id: str,
        client_secret: str,
        scope: str | None = None,
        extra: Mapping[str, str] | None = None,
        token_extra: Mapping[str, str] | None = None,
    ) -> None:
        self.token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope
        self._extra = dict(extra or {})
        self._token_extra = dict(token_extra or {})
        self._token: str | None = None
        self._headers: Mapping[str, str] = {}
        self._good_until = 0.0
        # Held only for a few assignments, so it never makes the event loop wait.
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"ClientCredentialsAuth({origin(self.token_url)})"

    def headers(self) -> Mapping[str, str] | None:
        """Token and extra headers, None when there is no token that is good for a while."""
        with self._lock:
            if self._token is None or time.monotonic() >= self._good_until:
                return None
            return self._headers

    def token_request(self) -> HttpRequest:
        """POST with the client's id and secret as Basic, as RFC 6749 §2.3.1 recommends."""
        form = {"grant_type": "client_credentials"}
        if self._scope:
            form["scope"] = self._scope
        # §2.3.1 wants id and secret form-encoded before they are joined.
        authorization = basic(quote(self._client_id, safe=""), quote(self._client_secret, safe=""))
        return HttpRequest(
            "POST",
            self.token_url,
            body=urlencode(form).encode(),
            headers={
                "Authorization": authorization,
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                **self._token_extra,
            },
        )

    def accept_token(self, response: HttpResponse) -> None:
        """
        Keep the token.

        :raises AuthenticationError: the token endpoint refused id and secret (400, 401, 403)
        :raises RemoteError: anything else that brought no token
        """
        if response.status in (400, 401, 403):
            raise AuthenticationError(
                f"The token endpoint refused the client credentials (HTTP {response.status}). "
                "Check login (client id), password (client secret), token_url and scope of the connection.",
                http_status=response.status,
            )
        raise_for_answer(response, job="an access token", doing="asking the token endpoint for")
        # No excerpt of a token answer, ever: it may hold the token under another name.
        try:
            answer = response.json_object()
        except UnreadableAnswerError:
            answer = {}
        token = answer.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise UnreadableAnswerError(
                "The token endpoint's answer has no usable access_token.", http_status=response.status
            )
        try:
            life = float(answer["expires_in"])
        except (KeyError, TypeError, ValueError, OverflowError):
            life = math.inf  # RFC 6749 lets it out; then a 401 tells
        if math.isnan(life):
            life = math.inf
        with self._lock:
            self._token = token
            self._headers = {"Authorization": f"Bearer {token}", **self._extra}
            self._good_until = time.monotonic() + (
                life - TOKEN_MARGIN if life > 10 * TOKEN_MARGIN else life * 0.9
            )

    def reject(self, headers: Mapping[str, str]) -> bool:
        """Forget the token, unless another task has replaced the refused one meanwhile."""
        with self._lock:
            if self._token is not None and headers.get("Authorization") == f"Bearer {self._token}":
                self._token = None
            return True
