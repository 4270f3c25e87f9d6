# SPDX-License-Identifier: Apache-2.0
"""The page that asks a person: nothing of the question is markup, and only its buttons are answers."""

from __future__ import annotations

import pytest

from airflow_async_provider._callbacks.confirm import answered, page, read, refused

ASKED = {"subject": "<b>?", "body": "a\nb & c", "options": {'Yes "now"': "succeeded", "No": "failed"}}


def test_nothing_of_the_question_is_markup() -> None:
    text = bytes(page(ASKED, "<x>").body).decode()
    assert "<b>" not in text
    assert "&lt;b&gt;?" in text
    assert "For &lt;x&gt;." in text
    assert 'value="Yes &quot;now&quot;"' in text
    assert "<script" not in text


def test_it_keeps_to_itself() -> None:
    headers = page(ASKED).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"answer=No&message=+not+yet+", ("No", "failed", "not yet")),
        (b"answer=Yes+%22now%22", ('Yes "now"', "succeeded", "")),
        (b"answer=no", None),
        (b"answer=succeeded", None),
        (b"", None),
        (b"\xff=\xff", None),
        (b"&".join(b"a=1" for _ in range(50)), None),
    ],
)
def test_an_answer_is_one_of_the_buttons(body: bytes, answer: object) -> None:
    assert read(ASKED, body) == answer


def test_what_the_person_reads_afterwards() -> None:
    assert b"has arrived" in answered(late=False).body
    assert b"no longer needed" in answered(late=True).body
    busy = answered(late=False)
    busy.status_code = 503
    assert b"try again" in refused(busy).body
    assert refused(busy).status_code == 503
