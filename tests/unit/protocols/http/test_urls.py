# SPDX-License-Identifier: Apache-2.0
"""Addresses that look like a login, and queries of addresses."""

from __future__ import annotations

import pytest

from airflow_async_provider.protocols import Headers, HttpResponse
from airflow_async_provider.protocols._http.urls import absolute, is_login, query_value, with_query


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://login.example/x", True),
        ("https://api.example/login?next=x", True),
        ("https://sso.example/", True),
        ("https://x.example/oauth2/authorize", True),
        ("https://x.example/sign-in", True),
        ("https://x.example/files/7", False),
        ("https://x.example/logins.csv", False),
        ("https://bucket.example/login/f?X-Amz-Signature=s", False),
        ("https://x.example/blogin", False),
        ("http://[", False),
    ],
)
def test_a_page_where_one_logs_in(url: str, login: bool) -> None:
    assert is_login(url) is login


def test_a_query_keeps_what_it_does_not_replace() -> None:
    assert with_query("https://a/b", {"x": "1 2"}) == "https://a/b?x=1+2"
    assert with_query("https://a/b?sig=%2B%3D&x=0#f", {"x": "1"}) == "https://a/b?sig=%2B%3D&x=1"
    assert query_value("https://a/b?x=1%202&y=", "x") == "1 2"
    assert query_value("https://a/b?y=", "y") == ""
    assert query_value("https://a/b", "y") is None


@pytest.mark.parametrize(
    ("answered", "reference", "url"),
    [
        ("https://api.example/jobs", "http://api.example/m?x=1", "https://api.example/m?x=1"),
        ("https://api.example/jobs", "http://api.example:80/m", "https://api.example/m"),
        ("https://api.example:8443/jobs", "http://api.example/m", "https://api.example:8443/m"),
        ("https://api.example/jobs", "http://api.example:8080/m", "http://api.example:8080/m"),
        ("https://api.example/jobs", "http://other.example/m", "http://other.example/m"),
        ("http://api.example/jobs", "http://api.example/m", "http://api.example/m"),
    ],
)
def test_an_http_address_of_the_host_that_answered_by_https(answered: str, reference: str, url: str) -> None:
    response = HttpResponse(202, Headers(), b"", 0.0, answered)
    assert absolute(reference, response, job="j", what="Location") == url
