# SPDX-License-Identifier: Apache-2.0
"""
Where credential headers come from, and how a stale token is replaced.

An :class:`Auth` lives as long as the process keeps the connection, so that a token is fetched once for all
jobs that use it. Fetching itself is I/O and comes in from the sync or the async side as a function.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_async_provider.errors import RemoteError, TransientError, UnreadableAnswerError
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse


class Auth(ABC):
    """Credential headers of one connection."""

    @abstractmethod
    def headers(self) -> Mapping[str, str] | None:
        """
        The headers to send now; None when a token must be fetched first.

        The same object for as long as they are the same: frequent senders rely on that.
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
