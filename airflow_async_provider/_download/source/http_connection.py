# SPDX-License-Identifier: Apache-2.0
"""One GET over ``requests``: redirects, proxies, TLS and credentials, and nothing about retries."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_async_provider import _urls
from airflow_async_provider._transport.endpoint import MAX_REDIRECTS
from airflow_async_provider._transport.environment import ca_for, proxy_for
from airflow_async_provider._transport.failures import is_untrusted, reason_of
from airflow_async_provider._transport.reach import Reach
from airflow_async_provider._transport.sender import Sender
from airflow_async_provider._transport.time_limit import TimeLimit
from airflow_async_provider._urls import origin, shown, split_url, without_query
from airflow_async_provider.errors import DownloadError, OriginError
from airflow_async_provider.protocols._http_messages import Headers
from airflow_async_provider.protocols._redaction import remember_sent, secrets_of
from airflow_async_provider.protocols._responses import REDIRECTS

#: Connections for parallel ranges; the single one and the probe come on top.
CONNECTIONS = 16 + 2

#: To so many hosts connections are kept: redirects may lead from range to range to another one.
POOL_HOSTS = 5

#: How long bytes are collected into one block (seconds), so that a slow source still shows its progress.
COLLECT = 0.1

#: TLS gives at most one record (16 KiB) a call; some of them together cost Python less. What is collected in
#: one such call is lost when the connection breaks, so it is little.
TLS_READ = 64 * 1024

#: Python refuses to read numbers of thousands of digits; these are more than any storage has.
_LENGTH = re.compile(r"[0-9]{1,30}")
_RANGE = re.compile(r"bytes ([0-9]{1,30})-[0-9]{1,30}/([0-9]{1,30}|\*)")

#: Credential headers for a URL: called with the URL and, after a 401, with the headers that were refused.
#: Returns nothing for a URL that must not get any (the origin rule lives in the hook's ``Endpoint``).
Credentials = Callable[[str, Mapping[str, str] | None], Mapping[str, str]]

#: The client certificate for a URL, None where it must not get one.
Certificate = Callable[[str], tuple[str, str] | None]

#: How TLS is verified: True, False, the path of a CA file or directory, or a function that says it for a URL.
Verify = bool | str | Callable[[str], bool | str]


class BrokenOffError(Exception):
    """
    The connection could not be made, or broke. Worth another try unless ``final``.

    :param reason: what happened, without any part of the URL
    :param final: trying again will not help (an untrusted certificate)
    """

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class Body:
    """The bytes of an answer as they come off the wire."""

    def __init__(self, response: Any, *, tls: bool) -> None:
        self._response = response
        self._raw = response.raw
        self._tls = tls
        self._failure: BrokenOffError | None = None

    def read(self, size: int) -> bytes:
        """
        Wait for some bytes; at most ``size``, none only at the end.

        :raises BrokenOffError: the connection broke
        """
        if self._failure is not None:
            raise self._failure
        until = time.monotonic() + COLLECT
        data = self._some(size)
        if not data or len(data) > size // 2:
            return data
        pieces, count = [data], len(data)
        while count < size and time.monotonic() < until:
            try:
                data = self._some(size - count)
            except BrokenOffError as error:
                self._failure = error  # first what has come, then what went wrong
                break
            if not data:
                break
            pieces.append(data)
            count += len(data)
        return b"".join(pieces)

    def _some(self, size: int) -> bytes:
        from urllib3.exceptions import HTTPError

        try:
            # read1 gives what has come; read would wait for the whole size.
            if self._tls:
                data: bytes = self._raw.read(min(size, TLS_READ), decode_content=False)
            else:
                data = self._raw.read1(size, decode_content=False)
        except (HTTPError, OSError, ValueError) as error:
            failure = broken_off(error)
        else:
            return data
        raise failure

    def abort(self) -> None:
        """From another thread: let a waiting ``read`` end at once, if that can be done."""
        with contextlib.suppress(Exception):  # urllib3 before 2.3 cannot, then the time-out ends the wait
            self._raw.shutdown()

    def close(self) -> None:
        """Drop the connection."""
        # close, not release: what is left of the body must not be read to keep a connection
        self._raw.close()
        self._response.close()


@dataclass(frozen=True, slots=True)
class StreamResponse:
    """
    An answer whose body has not been read yet.

    :param place: scheme, host and path that answered, after redirects
    :param url: the whole address that answered; its query may be a secret
    """

    status: int
    headers: Headers
    body: Body = field(repr=False)
    place: str = ""
    url: str = field(default="", repr=False)


class UrlOpener:
    """
    Opens a URL: without credentials, cookies or netrc, spelled exactly as given.

    :param url: absolute http or https URL
    :param headers: sent to the URL's own origin only (media types)
    :param credentials: gives credential headers for a URL, for results that lie on the remote itself; None
        for pre-signed URLs, which refuse credentials
    :param verify: TLS: True, False, or the path of a CA file or directory; with True, the environment's CA
        file counts, see ``_transport.environment``. A function is asked for each URL: what fits the first
        host may not fit the one that it redirects to
    :param proxy: proxy URL, None for the environment's
    :param timeout: seconds to connect, and seconds of silence
    :param reach: where the URL and its redirects may lead, None for anywhere
    :param cert: client certificates
    :param sender: keeps connections for several openers; None for one of its own
    :raises ConfigurationError: the URL is not a usable http or https address
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
        verify: Verify = True,
        proxy: str | None = None,
        timeout: tuple[float, float] = (10.0, 60.0),
        reach: Reach | None = None,
        cert: Certificate | None = None,
        sender: Sender | None = None,
    ) -> None:
        check_url(url)
        #: names it in messages, without what may be a secret; and the URL, which may be one
        self.where = shown(url)
        self.url = url
        self._headers = dict(headers or {})
        self._credentials = credentials
        self._verify = verify
        self._proxy = proxy
        self._timeout = timeout
        self._reach = reach
        self._cert = cert
        self._own_sender = sender is None
        self._sender = sender or Sender(connections=CONNECTIONS, hosts=POOL_HOSTS)

    def __repr__(self) -> str:
        return f"UrlOpener({self.where!r})"

    def open(self, *, offset: int = 0, end: int | None = None, etag: str | None = None) -> StreamResponse:
        """
        Send one GET, for the bytes from ``offset`` to ``end`` (exclusive) when they are not the whole.

        :param etag: strong ETag that the object must still have (If-Match)
        :raises BrokenOffError: no answer came
        :raises ConfigurationError: the CA file does not exist
        """
        wanted = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "airflow-async-provider"}
        if offset or end is not None:
            wanted["Range"] = f"bytes={offset}-" + ("" if end is None else str(end - 1))
            if etag is not None:
                wanted["If-Match"] = etag
        url = self.url
        for _ in range(MAX_REDIRECTS + 1):
            response = self._authorized(url, wanted)
            location = response.headers.get("Location")
            if response.status not in REDIRECTS or not location:
                return response
            response.body.close()
            url = follow(url, location)
        raise DownloadError(f"{self.where} redirects more than {MAX_REDIRECTS} times.")

    def close(self) -> None:
        """Drop kept connections; those of several openers stay."""
        if self._own_sender:
            self._sender.close()

    def _authorized(self, url: str, wanted: Mapping[str, str]) -> StreamResponse:
        headers = dict(wanted)
        if origin(url) == origin(self.url):
            headers.update(self._headers)
        if self._credentials is None:
            return self._send(url, headers)
        secret = self._credentials(url, None)
        response = self._send(url, {**headers, **secret})
        if response.status == 401 and secret:
            fresh = self._credentials(url, secret)
            if fresh and fresh != secret:
                response.body.close()
                return self._send(url, {**headers, **fresh})
        return response

    def _send(self, url: str, headers: Mapping[str, str]) -> StreamResponse:
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        remember_sent(secrets_of(headers, url))
        verify = ca_for(url, self._verify(url) if callable(self._verify) else self._verify)
        try:
            with TimeLimit(sum(self._timeout)) as limit:  # until the body begins
                response = self._sender.send(
                    "GET",
                    url,
                    headers=headers,
                    shown=f"{origin(url)}/",
                    limit=limit,
                    timeout=self._timeout,
                    verify=verify,
                    proxy=proxy_for(url, self._proxy),
                    cert=None if self._cert is None else self._cert(url),
                    reach=self._reach,
                )
            failure = None
        except (RequestException, HTTPError, OSError, ValueError) as error:
            failure = broken_off(error)
            if origin(url) != origin(self.url):
                reason = f"at {origin(url)}, where it redirects to, {failure.reason}"
                failure = BrokenOffError(reason, final=failure.final)
        if failure is not None:  # outside of "except": the original error must not hang on as its context
            raise failure
        return StreamResponse(
            status=response.status_code,
            headers=Headers(response.headers),
            body=Body(response, tls=url.lower().startswith("https:")),
            place=shown(url),
            url=url,
        )


def check_url(url: str) -> None:
    """
    Refuse what cannot be fetched safely.

    :raises ConfigurationError: no http or https, or nothing that all parsers read alike
    :raises OriginError: a user or password inside of the URL
    """
    parts = split_url(without_query(url))
    if parts.username is not None or parts.password is not None:
        raise OriginError(f"The URL at {origin(url)} holds a user or password; nothing was sent.")


def follow(url: str, location: str) -> str:
    """
    Where a redirect leads; an absolute Location stays as it is spelled.

    :raises DownloadError: from https to http
    """
    target = _urls.follow(url, location)
    check_url(target)
    if url.lower().startswith("https:") and not target.lower().startswith("https:"):
        raise DownloadError(
            f"{shown(url)} redirects from https to {origin(target)}. That would send the result over the "
            "wire in the clear; nothing was fetched."
        )
    return target


def broken_off(error: BaseException) -> BrokenOffError:
    """Say what went wrong without the error's own text, which may hold the URL."""
    if is_untrusted(error):
        return BrokenOffError(f"the TLS certificate is not trusted: {reason_of(error)}", final=True)
    return BrokenOffError(reason_of(error))


def is_strong(etag: str | None) -> bool:
    """Whether equal ETags mean equal bytes (RFC 9110 section 8.8.3)."""
    return bool(etag) and not str(etag).startswith("W/")


def body_length(headers: Mapping[str, str]) -> int | None:
    """The announced length of a body, None when there is none that counts."""
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    found = _LENGTH.fullmatch(headers.get("Content-Length", ""))
    return None if chunked or not found else int(found.group())


def body_encoding(headers: Mapping[str, str]) -> str | None:
    """The content coding of a body, None when it is plain."""
    encoding = headers.get("Content-Encoding", "").strip().lower()
    # S3 stores "aws-chunked" when an uploader forgot to take it off; the bytes are plain
    return encoding if encoding not in ("", "identity", "aws-chunked") else None


def content_range(response: StreamResponse) -> tuple[int | None, int | None]:
    """First byte and whole length of a 206, None for what it does not say."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if not found:
        return None, None
    return int(found.group(1)), None if found.group(2) == "*" else int(found.group(2))


def is_range_of(response: StreamResponse, etag: str | None, start: int) -> bool:
    """Whether an answer holds bytes of the object with this strong ETag, beginning at ``start``."""
    return (
        response.status == 206
        and is_strong(etag)
        and response.headers.get("ETag") == etag
        and content_range(response)[0] == start
    )
