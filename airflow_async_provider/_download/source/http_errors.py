# SPDX-License-Identifier: Apache-2.0
"""What an answer other than 200 and 206 to a download means: wait and try again, or which error."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from airflow_async_provider._download.source.http_connection import BrokenOffError, StreamResponse
from airflow_async_provider.errors import DownloadError, ResultChangedError, ResultError, ResultExpiredError
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import is_transient, request_id, retry_after

#: How much of an error body is read (bytes). S3's are below 1 KiB.
MAX_ERROR_BODY = 16 * 1024

#: And for how long (seconds): the status has come, and one byte now and then must not hold a worker.
MAX_ERROR_SECONDS = 30.0

#: Codes of S3 and Google Cloud Storage for a signature or session whose time is over.
EXPIRED_CODES = frozenset({"ExpiredToken", "RequestExpired", "TokenExpired"})

#: What S3 ("Request has expired"), Azure ("Signature not valid in the specified time frame") and CloudFront
#: write into a 403 when the time is over.
EXPIRED_WORDS = ("has expired", "not valid in the specified time frame", "expired token")

#: S3's codes that ask for another try although their status does not.
TRANSIENT_CODES = frozenset(
    {"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "Throttling"}
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    An answer without the bytes we asked for.

    :param error: to raise, when another try is of no use
    :param again: another try may help
    :param wait: seconds that the server asked us to wait
    :param missing: the object is not there (404)
    :param unsatisfied: the server cannot give this range (416)
    :param reason: for messages
    """

    reason: str
    error: ResultError | None = None
    wait: float | None = None
    missing: bool = False


def read_refusal(response: StreamResponse, *, offset: int, now: float, expires_at: float | None) -> Refusal:
    """
    Read an answer that is neither 200 nor 206, and close it.

    :param offset: how many bytes had arrived before this request
    :param now: epoch seconds
    :param expires_at: epoch seconds at which the URL expires, None when unknown
    """
    status = response.status
    body = _bounded(response)
    code, message = _field(body, "Code"), _field(body, "Message")
    described = f"HTTP {status}" + (
        f", {code}: {message}" if code and message else f", {code}" if code else ""
    )
    rid = request_id(response.headers) or _field(body, "RequestId")
    about = f"{response.place}: {described}" + (f" (request id {rid})" if rid else "")
    if status == 404 or status == 410:
        return Refusal(about, missing=True)
    if is_transient(status) or code in TRANSIENT_CODES:
        return Refusal(about, wait=retry_after(response.headers, now))
    passed = expires_at is not None and now >= expires_at
    if status in (400, 401, 403) and (passed or _says_expired(code, body)):
        error = ResultExpiredError(
            f"The result URL is no longer valid. {about}.", http_status=status, request_id=rid
        )
        return Refusal(about, error)
    if status in (412, 416) and offset:
        return Refusal(
            about,
            ResultChangedError(
                f"The result changed after {offset} bytes of it had arrived. {about}.",
                http_status=status,
                request_id=rid,
            ),
        )
    hint = ""
    if status == 400 and "one auth mechanism" in message:
        hint = " A pre-signed URL was sent together with credentials, which it refuses."
    elif code == "SignatureDoesNotMatch":
        hint = " The URL was changed after it was signed, or signed for another kind of request."
    elif status in (401, 403):
        hint = " The URL does not give access: not signed, signed for another user, or not yet valid."
    return Refusal(
        about,
        DownloadError(f"The result was refused. {about}.{hint}", http_status=status, request_id=rid),
    )


def _says_expired(code: str, body: bytes) -> bool:
    text = body.decode("utf-8", "replace").lower()
    return code in EXPIRED_CODES or any(words in text for words in EXPIRED_WORDS)


def _bounded(response: StreamResponse) -> bytes:
    body, until = b"", time.monotonic() + MAX_ERROR_SECONDS
    try:
        while len(body) < MAX_ERROR_BODY and time.monotonic() < until:
            data = response.body.read(MAX_ERROR_BODY)
            if not data:
                break
            body += data
    except BrokenOffError:
        pass  # the status has come, and says enough
    finally:
        response.body.close()
    return body


def _field(body: bytes, name: str) -> str:
    """A field of S3's error XML, safe for a message; a regular expression needs no trust in the XML."""
    found = re.search(rb"<%s>([^<]{1,2000})</%s>" % (name.encode(), name.encode()), body)
    return excerpt(found.group(1)) if found else ""
