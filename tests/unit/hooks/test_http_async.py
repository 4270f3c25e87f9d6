# SPDX-License-Identifier: Apache-2.0
"""An ``http`` connection becomes a remote as the HTTP provider reads it; nothing else of it is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from airflow.providers.http.hooks.http import HttpHook, _process_extra_options_from_connection
from airflow.sdk import Connection

from airflow_async_provider._transport.auth import basic
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.hooks.http_async import OF_THE_HTTP_PROVIDER, HttpAsyncJobHook
from airflow_async_provider.protocols import JobHandle
from airflow_async_provider.protocols._signature_forms import SCHEMES
from airflow_async_provider.protocols._signatures import HmacScheme


def connection(extra: Any = None, **fields: Any) -> Connection:
    options = {"conn_id": "c", "conn_type": "http", "host": "api.example", **fields}
    return Connection(**options, extra=None if extra is None else json.dumps(extra))


def remote(extra: Any = None, **fields: Any) -> Endpoint:
    return HttpAsyncJobHook.endpoint_from(connection(extra, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "api.example"},
        {"host": "https://api.example"},
        {"host": "api.example", "schema": "https"},
        {"host": "api.example", "port": 8080},
        {"host": "https://api.example", "port": 8443},
        {"host": "https://api.example", "schema": "http"},
        {"host": "http://api.example/base/v1"},
    ],
)
def test_the_base_url_is_that_of_the_http_provider(fields: dict[str, Any]) -> None:
    theirs = HttpHook()
    theirs._set_base_url(connection(**fields))
    assert remote(**fields).base_url == theirs.base_url


@pytest.mark.parametrize("host", ["", "ftp://api.example", "https://user:pw@api.example"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="'c'"):
        remote(host=host)


def test_login_and_password_are_basic() -> None:
    assert remote(login="ü", password="pw").auth.headers() == {"Authorization": basic("ü", "pw", "latin-1")}
    assert remote(login="☃", password="pw").auth.headers() == {"Authorization": basic("☃", "pw")}
    assert remote(login="u").auth.headers() == {"Authorization": basic("u", "")}


def test_a_password_without_a_login_is_a_bearer_token() -> None:
    assert remote(password="only").auth.headers() == {"Authorization": "Bearer only"}
    own = remote({"authorization": "Token x"}, password="only")
    assert own.auth.headers() == {"Authorization": "Token x"}


def test_an_authorization_header_of_the_extra_is_used_unless_there_is_a_login() -> None:
    extra = {"authorization": "Bearer t", "X-Tenant": "7"}
    assert remote(extra).auth.headers() == {"Authorization": "Bearer t"}
    assert remote(extra).headers == {"X-Tenant": "7"}
    assert remote(extra, login="u").auth.headers() == {"Authorization": basic("u", "")}


def test_nothing_of_the_extra_that_is_no_header_is_sent_as_one() -> None:
    extra: dict[str, Any] = dict.fromkeys(sorted(OF_THE_HTTP_PROVIDER - {"srv_lookup"}), "text")
    extra |= {
        "scope": "no header either",
        "result_hosts": "files.example",
        "cookies": "true",
        "callback_secret": "s3cret",
        "callback_signature": "X-Sig",
        "callback_base_url": "https://me.example",
        "number": 5,
        "flag": True,
        "nothing": None,
        "list": ["a"],
        "not a token": "x",
        "": "x",
        "X-Real": "yes",
    }
    assert remote(extra).headers == {"X-Real": "yes"}


def test_every_option_that_the_http_provider_takes_out_of_the_extra_is_known_here() -> None:
    options = dict.fromkeys(OF_THE_HTTP_PROVIDER | {"cert", "timeout", "verify", "proxy"}, "x")
    left, _ = _process_extra_options_from_connection(connection(options), {})
    # What it leaves it would send as a header; of ours, it knows nothing.
    ours = {"allowed_hosts", "auth_type", "auth_kwargs", "headers", "verify_ssl", "proxy", "result_verify"}
    assert set(left) <= ours


def test_headers_may_be_nested_and_are_spelled_in_one_way() -> None:
    extra = {"accept": "text/csv", "content-type": "text/plain", "headers": {"X-A": "1", "accept": "a/b"}}
    assert remote(extra).headers == {"Accept": "a/b", "Content-Type": "text/plain", "X-A": "1"}


def test_a_header_of_two_lines_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than one line"):
        remote({"X-A": "1\r\nX-B: 2"})


@pytest.mark.parametrize(
    ("extra", "verify"),
    [
        ({}, True),
        ({"verify": False}, False),
        ({"verify_ssl": "false"}, False),
        ({"verify": "/ca.pem"}, "/ca.pem"),
        ({"verify": True, "verify_ssl": False}, True),
    ],
)
def test_tls_is_verified_unless_the_connection_says_no(extra: dict[str, Any], verify: bool | str) -> None:
    assert remote(extra).verify == verify


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        (None, None),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ({"https": "http://p:1", "http": "http://p:2"}, "http://p:2"),
        ({"http://api.example": "http://p:3", "http": "http://p:2"}, "http://p:3"),
        ({"https": "http://p:1"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("key", ["proxies", "proxy"])
def test_proxies_in_either_form(key: str, value: Any, proxy: str | None) -> None:
    assert remote({key: value}).proxy == proxy


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, 30.0), (5, 5.0), ("7.5", 7.5), ([3, 60], 60.0), ([None, None], 30.0)]
)
def test_timeouts_in_all_forms(value: Any, seconds: float) -> None:
    assert remote({"timeout": value}).timeout == seconds


def test_further_hosts_may_be_allowed() -> None:
    assert remote({"allowed_hosts": "a.example, b.example:81"}).may_have_credentials("http://b.example:81/x")


@pytest.mark.parametrize("extra", [{"cert": 5}, {"srv_lookup": True}, {"timeout": "soon"}])
def test_what_cannot_work_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="'c'"):
        remote(extra)


def test_a_header_that_looks_like_an_option_is_a_slip_but_a_cookie_is_one() -> None:
    assert remote({"Cookie": "a=b", "X-Timeouts": "1"}).headers == {"Cookie": "a=b", "X-Timeouts": "1"}
    with pytest.raises(ConfigurationError, match="Is 'allowed_hosts' meant"):
        remote({"allowed_host": "a.example"})


def test_what_is_switched_off_is_fine() -> None:
    assert remote({"cert": None, "srv_lookup": "False"}).headers == {}


# -- credentials for downloads


def test_results_on_the_remote_itself_get_all_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = json.dumps(
        {"conn_type": "http", "host": "http://api.example", "login": "u", "extra": {"X-Key": "k"}}
    )
    monkeypatch.setenv("AIRFLOW_CONN_C", uri)
    hook = HttpAsyncJobHook("c")
    expected = {"Authorization": basic("u", ""), "X-Key": "k"}
    assert hook.credentials_for("http://api.example/files/1") == expected
    assert hook.credentials_for("http://api.example/files/1", refused=expected) == {}
    assert hook.credentials_for("http://bucket.example/files/1") == {}


# -- signatures of callbacks


@pytest.mark.parametrize(
    ("described", "scheme"),
    [
        ("X-Signature", HmacScheme("X-Signature")),
        (
            {"header": "X-Sig", "prefix": "sha512=", "algorithm": "sha512", "encoding": "hex"},
            HmacScheme("X-Sig", "sha512=", "sha512", "hex"),
        ),
        ("standard_webhooks", SCHEMES["standard-webhooks"]),
        ("stripe", SCHEMES["stripe"]),
        ({"kind": "slack", "tolerance": 60}, replace(SCHEMES["slack"], tolerance=60)),
    ],
)
def test_the_signature_of_callbacks_is_described_in_the_connection(described: Any, scheme: Any) -> None:
    conn = connection({"callback_secret": "k", "callback_signature": described})
    assert HttpAsyncJobHook.signature_scheme(conn) == scheme
    assert HttpAsyncJobHook.signature_keys(conn) == ["k"]


def test_without_a_secret_there_is_no_signature() -> None:
    assert HttpAsyncJobHook.signature_scheme(connection()) is None
    assert HttpAsyncJobHook.signature_keys(connection()) == []


@pytest.mark.parametrize(
    "extra",
    [
        {"callback_secret": "k"},
        {"callback_signature": "X"},
        {"callback_secret": "k", "callback_signature": {"a": 1}},
        {"callback_secret": 7, "callback_signature": "X"},
    ],
)
def test_half_a_signature_is_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        HttpAsyncJobHook.signature_scheme(connection(extra))


# -- submission


class _Recorder(HttpAsyncJobHook):
    """Keeps the request that would be sent."""

    def start(self, protocol: Any, request: Any, **_: Any) -> Any:
        return request


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> _Recorder:
    extra = {"X-Tenant": "7", "Content-Type": "application/vnd.acme+json"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_C", json.dumps({"conn_type": "http", "host": "api.example", "extra": extra})
    )
    return _Recorder("c")


def test_a_header_of_the_task_wins_in_whatever_spelling(hook: _Recorder) -> None:
    from airflow_async_provider._transport.endpoint import prepare
    from airflow_async_provider.protocols._http.location import LocationProtocol

    request: Any = hook.submit(LocationProtocol(), "POST", "jobs", headers={"x-tenant": "8"}, json={"a": 1})
    sent = {name.lower(): value for name, value in prepare(hook.endpoint, request).headers.items()}
    assert (sent["x-tenant"], sent["content-type"]) == ("8", "application/vnd.acme+json")
    assert len(sent) == len(prepare(hook.endpoint, request).headers)


def test_a_protocol_that_cannot_submit_is_named(hook: _Recorder) -> None:
    with pytest.raises(ConfigurationError, match="cannot start a job"):
        hook.submit(object(), "POST", "jobs")  # type: ignore[arg-type] # what a user may hand over


def test_the_generic_profiles_live_on_http_connections() -> None:
    hook = hook_for(JobHandle("http_location", "7", 0.0))
    assert type(hook) is HttpAsyncJobHook
    assert hook.conn_id == "http_default"
