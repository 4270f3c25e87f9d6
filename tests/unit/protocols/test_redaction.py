# SPDX-License-Identifier: Apache-2.0
"""Texts of remotes that end in messages."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, urlencode

import pytest

from airflow_async_provider.protocols import excerpt
from airflow_async_provider.protocols._redaction import (
    LOOKED_THROUGH,
    one_line,
    printable,
    remember_sent,
    secrets_of,
    sent_last,
    together,
    without,
)

SECRET = 'p/ss "wörd"+&canary'
BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


@pytest.fixture(autouse=True)
def nothing_sent() -> Iterator[None]:
    remember_sent(())
    yield
    remember_sent(())


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary-1234567890",
        "Basic Y2FuYXJ5OmNhbmFyeQ==",
        '{"access_token": "canary-1"}',
        "https://a/b?X-Amz-Signature=canary",
        "password=canary",
    ],
)
def test_what_looks_secret_is_masked(text: str) -> None:
    assert "canary" not in excerpt(text.encode())
    assert "Y2FuYXJ5" not in excerpt(text.encode())


def test_it_is_one_bounded_line() -> None:
    assert excerpt(b"a\n\tb") == "a b"
    assert len(excerpt(b"x" * 10_000)) == 201
    assert len(excerpt("x" * 10_000, 300)) == 301
    assert len(excerpt(b"\xff" * 1_000_000, 50)) == 51
    assert printable("a\x00b\u202e") == "a?b?"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("see https://u:p@h.example:8443/jobs/7?sig=1 now", "see https://h.example:8443/jobs/7?… now"),
        (r'"url":"https:\/\/h.example\/AbCd1234EfGh5678"', '"url":"https://h.example/AbCd…"'),
        (
            "at https://h/async-provider/x/0c6ZbXk1m-S9dT_aZ4bc7.bbbb, sorry",
            "at https://h/async-provider/x/0c6Z…",
        ),
        ("a\x00b\u202ec", "a b c"),
        ('"element_token": "secret=="', '"element_token": "***'),
    ],
)
def test_of_addresses_what_may_be_a_capability_is_left_out(text: str, safe: str) -> None:
    assert excerpt(text).startswith(safe)


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        BASIC,
        BASIC.removeprefix("Basic "),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET),
        re.sub("%..", lambda escape: escape.group().lower(), quote(SECRET, safe="")),
        SECRET.encode().upper().decode(),
        html.escape(SECRET),
    ],
)
def test_what_was_sent_is_found_in_every_spelling(spelled: str) -> None:
    remember_sent(secrets_of({"Authorization": BASIC}))
    assert excerpt(f"<p>{spelled}</p>") == "<p>***</p>"
    assert one_line(f"<p>{spelled}</p>") == "<p>***</p>"


@pytest.mark.parametrize("before", ["", "u:", "me:", '{"token": "'])
@pytest.mark.parametrize("alphabet", ["standard", "URL"])
def test_what_was_sent_is_found_in_base64(before: str, alphabet: str) -> None:
    encode = base64.b64encode if alphabet == "standard" else base64.urlsafe_b64encode
    secret = "s3cr3t/TOKEN+9f8e7d6c5b4a??>>"
    remember_sent(secrets_of({"Authorization": f"Bearer {secret}"}))
    shown = excerpt("you sent " + encode((before + secret + '"}').encode()).decode())
    assert "***" in shown
    left = re.sub(r"[^A-Za-z0-9+/]", "", shown.replace("you sent ", ""))
    assert len(left) <= len(before) * 4 / 3 + 6, "what is left is what stands before and behind it"


@pytest.mark.parametrize(
    ("headers", "url", "body"),
    [
        ({"Cookie": "a=1; sid=canary-1"}, "", None),
        ({"X-CSRF-Token": "canary-1"}, "", None),
        ({}, "https://a.example/x?page=2&api_key=canary-1", None),
        ({}, "https://a.example/x?page=2&sig=canary-1#f", None),
        ({}, "", urlencode({"grant_type": "client_credentials", "client_secret": "canary-1"}).encode()),
        ({}, "", urlencode({"client_assertion": "canary-1"}).encode()),
        ({}, "", json.dumps({"user": {"name": "me", "accessToken": "canary-1"}}).encode()),
        ({}, "", b'{"password" : "canary-1", "broken'),
    ],
)
def test_secrets_are_found_where_they_are_sent(headers: dict[str, str], url: str, body: bytes | None) -> None:
    remember_sent(secrets_of(headers, url, body))
    assert excerpt("you sent canary-1 here") == "you sent *** here"


@pytest.mark.parametrize(
    "body", [None, b"", object(), b"\xff=\xff", b'{"a": "b"}', b"x" * 10 * LOOKED_THROUGH]
)
def test_bodies_without_secrets(body: object) -> None:
    assert secrets_of({"Accept": "text/plain-long"}, "https://a.example/?page=1234567890", body) == ()


@pytest.mark.parametrize("gap", range(780, 800))
@pytest.mark.parametrize("as_text", [True, False])
def test_a_secret_that_the_cut_goes_through_is_not_shown_in_part(gap: int, *, as_text: bool) -> None:
    """Blanks do not count for what is shown, so what stands behind hundreds of them is the beginning."""
    remember_sent((b"canary-1234567890",))
    body = " " * gap + "canary-1234567890" + "x" * 1000
    assert "cana" not in excerpt(body if as_text else body.encode())


def test_one_secret_may_be_a_part_of_another() -> None:
    secrets = together((b"canary",), (b"canary-and-more",))
    assert without(b"canary-and-more canary", secrets) == b"*** ***"
    remember_sent(secrets)
    assert sent_last() == secrets
