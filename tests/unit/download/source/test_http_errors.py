# SPDX-License-Identifier: Apache-2.0
"""What an answer other than 200 and 206 to a download means."""

from __future__ import annotations

import pytest

from airflow_async_provider._download.source.http_connection import BrokenOffError, StreamResponse
from airflow_async_provider._download.source.http_errors import MAX_ERROR_BODY, Refusal, read_refusal
from airflow_async_provider.errors import DownloadError, ResultChangedError, ResultError, ResultExpiredError
from airflow_async_provider.protocols import Headers

NOW = 1_000_000.0
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce</Message></Error>"


class Body:
    """The bytes of an answer, ten at a time."""

    def __init__(self, content: bytes, *, breaks: bool = False) -> None:
        self.left = content
        self.breaks = breaks
        self.closed = False

    def read(self, size: int) -> bytes:
        if not self.left and self.breaks:
            raise BrokenOffError("reset")
        count = min(10, size)
        data, self.left = self.left[:count], self.left[count:]
        return data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.close()


def refusal(
    status: int,
    body: bytes = b"",
    *,
    offset: int = 0,
    expires_at: float | None = None,
    breaks: bool = False,
    **headers: str,
) -> Refusal:
    content = Body(body, breaks=breaks)
    found = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    response = StreamResponse(status, found, content, "https://h/x", "https://h/x?sig=canary")
    read = read_refusal(response, offset=offset, now=NOW, expires_at=expires_at)
    assert content.closed
    assert "canary" not in f"{read}"
    return read


# -- another try may help


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_may_come(status: int) -> None:
    found = refusal(status, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")
    assert (found.missing, found.error) == (True, None)
    assert found.reason == f"https://h/x: HTTP {status}, NoSuchKey: gone"


@pytest.mark.parametrize(
    ("status", "body"), [(503, b""), (429, b""), (408, b""), (400, SLOW_DOWN), (403, SLOW_DOWN)]
)
def test_not_now_is_no_refusal(status: int, body: bytes) -> None:
    found = refusal(status, body, Retry_After="7")
    assert (found.error, found.missing, found.wait) == (None, False, 7)
    assert refusal(status, body).wait is None


# -- the time is over


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"),
        (400, b"<Error><Code>ExpiredToken</Code><Message>The provided token</Message></Error>"),
        (403, b"<Code>AuthenticationFailed</Code><Detail>Signature not valid in the specified time frame: x"),
    ],
)
def test_how_storages_say_expired(code: int, body: bytes) -> None:
    assert type(refusal(code, body).error) is ResultExpiredError
    assert type(refusal(502, body).error) is not ResultExpiredError  # a gateway's page


@pytest.mark.parametrize(
    ("expires_at", "error"),
    [
        (NOW, ResultExpiredError),
        (NOW - 10, ResultExpiredError),
        (NOW + 1, DownloadError),
        (None, DownloadError),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_without_words_is_an_expiry_only_after_the_time(
    status: int, expires_at: float | None, error: type[ResultError]
) -> None:
    assert type(refusal(status, expires_at=expires_at).error) is error


def test_an_expiry_tells_the_storage_s_own_id_of_the_request() -> None:
    body = b"<Code>RequestExpired</Code><RequestId>4442587FB7D0A2F9</RequestId>"
    error = refusal(403, body).error
    assert error is not None
    assert (error.http_status, error.request_id) == (403, "4442587FB7D0A2F9")
    assert "(request id 4442587FB7D0A2F9)" in str(error)


# -- the rest


@pytest.mark.parametrize("status", [412, 416])
def test_a_range_that_cannot_be_had_any_more_is_a_change(status: int) -> None:
    error = refusal(status, offset=1234).error
    assert type(error) is ResultChangedError
    assert "changed after 1234 bytes" in str(error)
    assert type(refusal(status).error) is DownloadError  # nothing had come: nothing can have changed


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>", "does not give access"),
        (401, b"", "does not give access"),
        (403, b"<Code>SignatureDoesNotMatch</Code><Message>x</Message>", "changed after it was signed"),
        (
            400,
            b"<Code>X</Code><Message>Only one auth mechanism allowed</Message>",
            "together with credentials",
        ),
        (205, b"", "HTTP 205"),
        (302, b"", "HTTP 302"),
        (501, b"", "HTTP 501"),
    ],
)
def test_any_other_refusal_says_why(code: int, body: bytes, words: str) -> None:
    found = refusal(code, body)
    assert type(found.error) is DownloadError
    assert words in str(found.error)
    assert found.error.http_status == code


def test_a_body_that_breaks_off_or_never_ends_says_what_has_come() -> None:
    assert type(refusal(403, b"<Message>Request has expired", breaks=True).error) is ResultExpiredError
    endless = Body(b"<Code>Odd</Code>" + b"x" * 3_000_000)
    response = StreamResponse(400, Headers(), endless, "https://h/x", "")
    assert "HTTP 400, Odd" in read_refusal(response, offset=0, now=NOW, expires_at=None).reason
    assert len(endless.left) > 3_000_000 - MAX_ERROR_BODY - 100
