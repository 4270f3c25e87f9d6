# SPDX-License-Identifier: Apache-2.0
"""URLs: read strictly, compared by their origin, joined as they are spelled, and shown without what they
hide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider._urls import (
    follow,
    id_in,
    is_plain_base,
    origin,
    path_of,
    same_origin,
    shown,
    split_url,
    without_query,
)
from airflow_async_provider.errors import ConfigurationError


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://A.example:443/y?z", True),
        ("http://a.example:80", "http://a.example", True),
        ("http://[::1]/x", "http://[::1]:80", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "https://b.example", False),
        ("nothing", "nothing", False),
        ("http://[", "http://[", False),
        ("https://a/x", "https://a:443/y", True),
        ("https://A/x", "https://a/y", True),
        ("https://a/x", "http://a/x", False),
        ("https://a/x", "https://a.b/x", False),
        ("https://a/x", "https://a:444/x", False),
        ("/x", "/x", False),
    ],
)
def test_one_origin(one: str, other: str, same: bool) -> None:
    assert same_origin(one, other) is same
    assert same_origin(other, one) is same


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/y?a=%2f", "https://a.example/y?a=%2f"),
        ("y", "https://a.example/x/y"),
        ("?p=2", "https://a.example/x/1?p=2"),
        ("//b.example/z", "https://b.example/z"),
        ("https://B.example/%7e/../c?d#e", "https://B.example/%7e/../c?d#e"),
        ("https://b.example/ü".encode().decode("latin-1"), "https://b.example/ü"),
    ],
)
def test_a_location_is_followed_as_it_is_spelled(location: str, target: str) -> None:
    assert follow("https://a.example/x/1?p=1", location) == target


@pytest.mark.parametrize(
    "location", ["ftp://b.example/", "http://[", "javascript:x", "http://", "https:\\\\b"]
)
def test_a_location_that_leads_nowhere(location: str) -> None:
    with pytest.raises(ConfigurationError):
        follow("https://a.example/x", location)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "https://u:canary@a.example:443/files/report.csv?sig=canary#canary",
            "https://a.example/files/report.csv",
        ),
        ("https://a.example", "https://a.example/"),
        ("https://a.example/jobs/20261126015112/result", "https://a.example/jobs/20261126015112/result"),
        ("https://a.example/f/4b1d9f0e2c7a/x.json", "https://a.example/f/4b1d…/x.json"),
        (
            "https://a.example/f/0f8fad5b-d9cb-469f-a165-70867728950e.tar.gz",
            "https://a.example/f/0f8f….tar.gz",
        ),
        ("https://a.example/asyncStatus/MTYyNjg0MTc3MjI4NzoyMjg1", "https://a.example/asyncStatus/MTYy…"),
        ("https://a.example/abcdefghijklmnopqrstuvwxyz", "https://a.example/abcd…"),
        ("http://[", "an unreadable address/"),
    ],
)
def test_what_a_message_shows(url: str, told: str) -> None:
    assert shown(url) == told


@given(st.text(max_size=60))
def test_nothing_of_a_query_or_a_user_is_ever_shown(text: str) -> None:
    for url in (f"https://{text}", f"https://a.example/{text}", text):
        assert isinstance(shown(url), str)
        assert isinstance(origin(url), str)
        assert "?" not in without_query(url)
        assert "#" not in without_query(url)
        path_of(url)
    assert "canary" not in shown(f"https://a.example/x?{text}canary")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("https://a.example", True),
        ("http://a.example:8080/base/", True),
        ("https://[::1]:8443/x", True),
        ("https://u@a.example", False),
        ("https://a.example?x", False),
        ("https://a.example/#x", False),
        ("https://a.example/a b", False),
        ("ftp://a.example", False),
        ("a.example", False),
        ("", False),
    ],
)
def test_an_address_that_paths_can_be_put_below(text: str, plain: bool) -> None:
    assert is_plain_base(text) is plain


@pytest.mark.parametrize(
    "url", ["", "x", "http://", "http://h:0", "http://h:x", "http://h\\@x", "http://h /", "ws://h"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigurationError):
        split_url(url)


def test_random_texts_that_fall_apart_are_shortened() -> None:
    """Base64url has ``-`` and ``_``, so few of its pieces are long."""
    for text in ("hR5T-2WJ3pGvmU_GXr4nlA", "v4Xol5yEBz_-gqHUxYP3Mg", "7REmexy6_3lHCsMgB6cH_EVpIsxZ-TgCDBgU"):
        assert shown(f"https://a.example/{text}/x") == f"https://a.example/{text[:4]}…/x"


def test_words_that_people_make_up_are_not() -> None:
    for text in (
        "monthly-report-2024-for-customers",
        "v1beta1-exports",
        "s3-eu-west-1",
        "eu1-prod-a2b-export",
    ):
        assert shown(f"https://a.example/{text}") == f"https://a.example/{text}"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://a.example/jobs/7?sig=s3cret", "/jobs/7"),
        ("jobs/0193b8f0-7a3e-7c2b-9d1e-5a6b7c8d9e0f", "jobs/0193b8f0-7a3e-7c2b-9d1e-5a6b7c8d9e0f"),
        ("/jobs/01HXYZ7ABCDEF0123456789XYZ/state", "/jobs/01HXYZ7ABCDEF0123456789XYZ/state"),
        ("/m/9c4edd4396164af9b80336e4057efccd", "/m/9c4edd4396164af9b80336e4057efccd"),
        ("/s/eyJhbGciOiJIUzI1NiIsInR5cCI6", "/s/eyJhbGci…"),
        ("/s/" + "a" * 65, "/s/aaaaaaaa…"),
    ],
)
def test_ids_stay_whole_and_capabilities_do_not(url: str, path: str) -> None:
    assert id_in(url) == path
