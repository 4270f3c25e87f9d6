# SPDX-License-Identifier: Apache-2.0
"""
A result URL as a stream that survives broken connections.

When the connection breaks, falls silent or ends short, the rest is asked for with ``Range``, but only joined
when it surely belongs to the same object: the same strong ETag. Where the server gives no strong ETag or
answers a range with the whole, the bytes that we have are read once more and compared by their hash.
"""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airflow_async_provider._download.limits import Throughput
from airflow_async_provider._download.source.base import BLOCK, ByteSource
from airflow_async_provider._download.source.expected import BEGINNING, Expected
from airflow_async_provider._download.source.http_connection import (
    BrokenOffError,
    StreamResponse,
    UrlOpener,
    body_encoding,
    body_length,
    content_range,
    is_range_of,
    is_strong,
)
from airflow_async_provider._download.source.http_errors import Refusal, read_refusal
from airflow_async_provider._download.source.parallel import Chooser, Parallel, RangeReader
from airflow_async_provider.errors import AsyncJobError, DownloadError, ResultChangedError, ResultMissingError
from airflow_async_provider.protocols._http_messages import Headers
from airflow_async_provider.protocols._responses import retry_after

#: A failure after less than this (bytes) counts as one more without progress, so that a server that gives
#: a few bytes per connection does not keep us for days.
WORTH_CALLING_PROGRESS = 64 * 1024

#: Not a failure of the source: several connections gave way to one.
STEPPED_ASIDE = "several connections gave way to one"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRetryPolicy:
    """
    How hard a source tries. All times in seconds.

    :param max_attempts: failures in a row without progress until the download is given up
    :param first_wait: pause after the first failure; doubles with each further one
    :param max_wait: longest pause, also when the server asks for more with ``Retry-After``
    :param patience_404: how long a result that is "not found" at the start is waited for; storages publish
        an object a little after its URL
    :param patience_202: how long a result that is "not ready yet" (202, or a document that says so) is waited
        for, together
    """

    max_attempts: int = 5
    first_wait: float = 0.5
    max_wait: float = 60.0
    patience_404: float = 30.0
    patience_202: float = 600.0


class HttpSource(ByteSource):
    """
    The bytes behind a URL: forward-only, resuming, hashed.

    :param opener: asks for them; a URL alone is asked for without credentials
    :param expires_at: epoch seconds until which the URL is good, None when unknown
    :param retry_policy: how hard to try
    :param expected: what it may be; None: whatever comes
    :param parallel: when to use several connections
    :raises ConfigurationError: the URL is not a usable http or https address
    """

    def __init__(
        self,
        opener: UrlOpener | str,
        *,
        expires_at: float | None = None,
        retry_policy: DownloadRetryPolicy | None = None,
        parallel: Parallel | None = None,
        expected: Expected | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        super().__init__()
        self.opener = UrlOpener(opener) if isinstance(opener, str) else opener
        #: what answered it
        self.answer_url = ""
        self.answer_headers: Mapping[str, str] = {}
        self.expires_at = expires_at
        self.retry_policy = retry_policy or DownloadRetryPolicy()
        self._stopped = threading.Event()
        self._sleep = self._stopped.wait if sleep is None else sleep
        self._throughput = Throughput(None)
        self._response: StreamResponse | None = None
        self._several: RangeReader | None = None
        self._chooser = Chooser(parallel or Parallel())
        self._single = False
        self._started = False
        self._ranges = False
        self._ended = False
        self._restarted = False
        self._failures = 0
        self._failed_at = 0
        self._expected = expected
        self._looked = False
        self._rest = b""
        self._waited_202 = 0.0

    def __repr__(self) -> str:
        return f"HttpSource({self.opener.where!r}, offset={self.offset}, length={self.length})"

    def open(self) -> None:
        """
        Ask for the bytes, so that length and type are known; ``read`` does it by itself.

        :raises ResultError: the bytes cannot be had
        """
        if not self._started:
            self._response = self._connect()

    def read(self, size: int = BLOCK) -> bytes:
        """
        Wait for some bytes: at most ``size``, and none only at the verified end.

        :raises ResultExpiredError: the URL is no longer valid
        :raises ResultMissingError: nothing is there
        :raises ResultChangedError: the object changed while it was being read
        :raises DownloadError: refused, or broken too often
        """
        if self._rest:
            data, self._rest = self._rest[:size], self._rest[size:]
            return self._hand_out(data)
        while not self._ended:
            if self._expected is not None and not self._looked:
                data, failure = self._read_beginning(self._expected, size)
            elif self._several is not None:
                data, failure = self._read_several(self._several, size)
            else:
                data, failure = self._read_one(size)
            if data:
                return self._hand_out(data)
            self._drop()
            if not failure and self.length in (None, self.offset):
                self._ended = True
                self.opener.close()
            elif failure is not STEPPED_ASIDE:
                self._pause(failure or "the connection ended")
        return b""

    def restart(self) -> bool:
        """Begin again at the first byte, once."""
        if self._restarted:
            return False
        self._drop()
        self._restarted, self._started, self._ended = True, False, False
        self._looked, self._rest = False, b""
        self._failed_at = 0
        self._begin_again()
        return True

    def close(self) -> None:
        """Drop the connection."""
        super().close()
        self._drop()
        self._ended = True
        self.opener.close()

    def use_one_connection(self) -> None:
        """Never read it over several connections."""
        self._single = True

    def abort(self) -> None:
        """From another thread: end a waiting ``read``, see :class:`ByteSource`."""
        self._stopped.set()
        response = self._response
        if response is not None:
            response.body.abort()

    def _read_beginning(self, expected: Expected, size: int) -> tuple[bytes, str]:
        """The first bytes, once enough of them have come to see that this is the result."""
        beginning, whole = b"", False
        while not whole:
            data, failure = self._read_one(max(BEGINNING - len(beginning), 1))
            if failure:
                return b"", failure
            beginning += data
            if not data and self.length not in (None, len(beginning)):
                return b"", "the connection ended"
            whole = not data or len(beginning) == self.length
            if not whole and expected.enough(beginning, self.length, self.content_encoding):
                break
        unready = expected.look(beginning, whole=whole, headers=self.answer_headers, where=self.opener.where)
        if unready is not None:
            asked = retry_after(Headers(self.answer_headers), time.time())
            self._await_ready(unready, asked)
            self._drop()
            self._started = False
            return self._read_beginning(expected, size)
        self._looked = True
        data, self._rest = beginning[:size], beginning[size:]
        return data, ""

    def _read_one(self, size: int) -> tuple[bytes, str]:
        """Some bytes, or why there are none."""
        if self._response is None:
            self._response = self._connect()
        began = time.perf_counter()
        try:
            data = self._response.body.read(size)
        except BrokenOffError as error:
            return b"", error.reason
        waited = time.perf_counter() - began
        self._throughput.note(len(data), waited)
        offset = self.offset + len(data)
        slow = self._chooser.note(
            len(data),
            waited,
            left=None if self.length is None else self.length - offset,
            time_left=None if self.expires_at is None else self.expires_at - time.time(),
        )
        if slow:
            several = self._chooser.open(self.opener, etag=self.etag, start=offset, end=self.length)
            if several is not None:
                log.info("One connection is slow, going on with %s", self._chooser.rules.connections)
                self._drop()
                self._several = several
        return data, ""

    def _read_several(self, several: RangeReader, size: int) -> tuple[bytes, str]:
        began = time.perf_counter()
        try:
            data = several.read(size)
        except (BrokenOffError, AsyncJobError) as error:
            log.info("Several connections do not work now (%s), going on with one", error)
            return b"", STEPPED_ASIDE
        self._throughput.note(len(data), time.perf_counter() - began)
        return data, ""

    def _drop(self) -> None:
        if self._several is not None:
            self._several.close()
            self._several = None
        if self._response is not None:
            self._response.body.close()
            self._response = None

    def _connect(self) -> StreamResponse:
        """Send requests until an answer continues at ``offset``."""
        waited_404 = 0.0
        while True:
            self._check_stopped()
            ranged = self.offset > 0 and self._ranges
            try:
                response = self.opener.open(
                    offset=self.offset if ranged else 0, etag=self.etag if ranged else None
                )
                if response.status == 200 or (ranged and response.status == 206) or self._is_empty(response):
                    if self._continues(response):
                        return response
                    continue
            except BrokenOffError as error:
                if error.final:
                    raise DownloadError(f"{self.opener.where} cannot be reached: {error.reason}.") from None
                self._pause(error.reason)
                continue
            if response.status == 202 and not self.offset:
                asked = retry_after(Headers(response.headers), time.time())
                response.body.close()
                self._await_ready(f"{response.place}: HTTP 202", asked)
                continue
            refusal = read_refusal(response, offset=self.offset, now=time.time(), expires_at=self.expires_at)
            if refusal.error is not None:
                raise refusal.error
            if refusal.missing:
                waited_404 += self._await_object(refusal, waited_404)
            else:
                self._pause(refusal.reason, refusal.wait)

    def _is_empty(self, response: StreamResponse) -> bool:
        """Whether the answer says that the result has no bytes: 204, at the beginning."""
        return response.status == 204 and self.offset == 0

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise DownloadError(f"The download of {self.opener.where} was stopped.")
        self.bounds.check_time()

    def _continues(self, response: StreamResponse) -> bool:
        """
        Whether the body goes on from ``offset``; if not, it is closed and the way of asking was changed.

        :raises ResultChangedError: it belongs to another object
        :raises BrokenOffError: it broke while what we have was compared
        """
        if self.offset == 0:
            self._begin(response)
            return True
        self.resumes += 1
        try:
            changed = self._changed(response)
            if changed is None and response.status == 206:
                if is_range_of(response, self.etag, self.offset):
                    log.info("The download goes on at byte %s of %s", self.offset, self.length or "?")
                    return True
                self._ranges = False  # asked for the whole from now on
                response.body.close()
                return False
            if changed is None and self._same_beginning(response):
                log.info("The download goes on at byte %s after the beginning was compared", self.offset)
                return True
        except BaseException:
            response.body.close()
            raise
        response.body.close()
        raise ResultChangedError(
            f"{self.opener.where} changed after {self.offset} bytes of it had arrived, so the rest does not "
            f"fit: {changed or 'it begins with other bytes'}."
        )

    def _begin(self, response: StreamResponse) -> None:
        """Note what the first answer says about the object."""
        headers = response.headers
        self._started = True
        self.answer_url, self.answer_headers = response.url, headers
        self.length = 0 if response.status == 204 else body_length(headers)
        self.bounds.expect(self.length)
        self._throughput = Throughput(self.bounds.limits.min_bytes_per_second)
        self.content_type = headers.get("Content-Type") or None
        self.content_encoding = body_encoding(headers)
        self.etag = headers.get("ETag") or None
        accepts = headers.get("Accept-Ranges", "").strip().lower()
        self._ranges = is_strong(self.etag) and accepts != "none"
        several = self._ranges and accepts == "bytes" and not self._single
        self._chooser.tries = self._chooser.rules.tries if several else 0

    def _changed(self, response: StreamResponse) -> str | None:
        """What says without reading that this is another object, None when nothing does."""
        etag = response.headers.get("ETag")
        if is_strong(self.etag) and is_strong(etag) and etag != self.etag:
            return "its ETag is another one"
        length = body_length(response.headers) if response.status == 200 else content_range(response)[1]
        if None not in (length, self.length) and length != self.length:
            return f"it has {length} bytes now, {self.length} before"
        return None

    def _same_beginning(self, response: StreamResponse) -> bool:
        """Read the first ``offset`` bytes again and compare their hash with that of the bytes we gave out."""
        again = hashlib.sha256()
        left = self.offset
        while left:
            data = response.body.read(min(BLOCK, left))
            if not data:
                raise BrokenOffError("the connection ended while the beginning was read again")
            self._check_stopped()
            again.update(data)
            left -= len(data)
        return again.hexdigest() == self.sha256

    def _await_ready(self, reason: str, asked: float | None) -> None:
        """Wait for a result of which the remote says that it is not ready yet."""
        patience = self.retry_policy.patience_202
        wait = max(asked or 0.0, min(0.5 + self._waited_202 / 2, 30.0))
        if self._waited_202 + wait > patience:
            more = f", and asks to wait {asked:.0f} s more" if asked else ""
            raise DownloadError(
                f"The result is not ready {self._waited_202:.0f} s after it was asked for{more}: {reason}. "
                "Nothing was stored. Another try of the task asks for it again."
            )
        log.info("The result is not ready yet (%s), asking again in %.1f s", reason, wait)
        self._sleep(wait)
        self._check_stopped()
        self._waited_202 += wait

    def _await_object(self, refusal: Refusal, waited: float) -> float:
        wait = min(1.0 + waited / 2, 10.0, self.retry_policy.patience_404 - waited)
        if self.offset or wait <= 0:
            after = f" after {waited:.0f} s of asking" if waited else ""
            raise ResultMissingError(
                f"The result is not there{after}. {refusal.reason}. "
                "It may have been deleted after its time, or was never written.",
                http_status=404,
            )
        log.info("The result is not there yet, asking again in %.1f s", wait)
        self._sleep(wait)
        return wait

    def _pause(self, reason: str, asked: float | None = None) -> None:
        """Wait before the next attempt, longer each time, or give up."""
        rules = self.retry_policy
        self._check_stopped()
        if self.offset - self._failed_at >= WORTH_CALLING_PROGRESS:
            self._failures = 0
        self._failed_at = self.offset
        self._failures += 1
        got = f"after {self.offset} of {'an unknown number of' if self.length is None else self.length} bytes"
        if self._failures >= rules.max_attempts:
            raise DownloadError(
                f"{self.opener.where} broke off {got}, and {self._failures} attempts in a row got "
                f"nothing more. The last one: {reason}."
            )
        # Jitter downwards by up to a half: many mapped tasks must not come back at the same moment.
        wait = rules.first_wait * 2 ** (self._failures - 1) * random.uniform(0.5, 1)  # noqa: S311 - no secret
        wait = min(max(wait, asked or 0.0), rules.max_wait)
        log.warning("The download broke off %s (%s), trying again in %.1f s", got, reason, wait)
        self._sleep(wait)
