# SPDX-License-Identifier: Apache-2.0
"""The connection's credentials in URLs that are stored with a job."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from airflow_async_provider._transport.auth import StaticAuth, basic
from airflow_async_provider._transport.endpoint import Endpoint, prepare
from airflow_async_provider._transport.veil import revealed, veiled
from airflow_async_provider.errors import ConfigurationError, OriginError
from airflow_async_provider.protocols import HttpRequest

SECRET = "s3cr3t/TOKEN+9f8e"


def endpoint(authorization: str = f"Bearer {SECRET}", **headers: str) -> Endpoint:
    auth = StaticAuth({"Authorization": authorization})
    return Endpoint(base_url="https://api.example", auth=auth, headers=headers)


@pytest.mark.parametrize(
    ("remote", "how"),
    [
        (endpoint(), "authorization.token"),
        (endpoint(basic("me", SECRET)), "authorization.password"),
        (endpoint("Bearer other-token", **{"X-Api-Key": SECRET}), "x-api-key.all"),
    ],
)
@pytest.mark.parametrize(
    ("spelled", "spelling"),
    [(SECRET, "plain"), (quote(SECRET, safe=""), "quoted"), (quote(SECRET), "path")],
)
def test_a_credential_is_stored_as_a_mark_and_requested_as_it_came(
    remote: Endpoint, how: str, spelled: str, spelling: str
) -> None:
    url = f"https://api.example/{spelled}/jobs/7?key={spelled}"
    stored = veiled(url, remote)
    mark = f"~~{how}.{spelling}~~"
    assert stored == f"https://api.example/{mark}/jobs/7?key={mark}"
    assert revealed(stored, remote) == url
    assert prepare(remote, HttpRequest("GET", stored)).url == url


@pytest.mark.parametrize("spelling", ["plain", "quoted", "path", "query"])
@pytest.mark.parametrize(
    "url", ["https://{}.evil.example/x", "https://{}@api.example/x", "https://evil.example/{}"]
)
def test_a_mark_that_a_remote_has_made_up_leads_nowhere_and_shows_nothing(url: str, spelling: str) -> None:
    remote = endpoint("Bearer s3cr3t-token-9f8e")
    made_up = url.format(f"~~authorization.token.{spelling}~~")
    with pytest.raises(OriginError) as caught:
        prepare(remote, HttpRequest("GET", made_up))
    assert "s3cr3t" not in str(caught.value)


def test_a_url_without_credentials_stays_as_it_is() -> None:
    remote = endpoint(**{"X-Tenant": "a-long-tenant", "Accept": "application/json"})
    for url in ("https://api.example/a-long-tenant/jobs/7?as=application/json", "/~~me~~/7", "jobs/~~a.b.c~"):
        assert revealed(veiled(url, remote), remote) == veiled(url, remote) == url


def test_a_new_credential_takes_the_place_of_the_old_one() -> None:
    stored = veiled(f"https://api.example/{SECRET}/7", endpoint())
    assert revealed(stored, endpoint("Bearer renewed-token")) == "https://api.example/renewed-token/7"


def test_a_connection_without_the_credential_is_an_error_that_names_its_header() -> None:
    stored = veiled(
        f"https://api.example/{SECRET}/7", endpoint(**{"X-Api-Key": SECRET}, authorization="Bearer x")
    )
    with pytest.raises(ConfigurationError, match="header 'x-api-key'") as raised:
        revealed(stored, endpoint())
    assert SECRET not in str(raised.value)


def test_of_two_credentials_the_longer_one_is_looked_for_first() -> None:
    remote = endpoint("Bearer x", **{"X-Key": "abcdefgh", "X-Token": "abcdefgh12345678"})
    stored = veiled("https://api.example/abcdefgh12345678/abcdefgh/7", remote)
    assert stored == "https://api.example/~~x-token.all.plain~~/~~x-key.all.plain~~/7"
