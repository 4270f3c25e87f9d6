# SPDX-License-Identifier: Apache-2.0
"""From an Airflow connection to a remote: every way to write one, and every way to write it wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.oauth import ClientCredentialsAuth
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._connection import DEFAULT_TIMEOUT, base_url, common_settings, extra_of
from airflow_async_provider.hooks.jaggaer_aso import DEFAULT_ACCEPT, JaggaerAsoHook

CANARY = "canary-5e7b1c"


def conn(extra: Any = None, **fields: Any) -> Connection:
    fields = {"host": "ees.example", "password": CANARY, **fields}
    return Connection(
        conn_id="c",
        conn_type="jaggaer_aso",
        extra=extra if isinstance(extra, str | None) else json.dumps(extra),
        **fields,
    )


def remote(extra: Any = None, **fields: Any) -> Endpoint:
    return JaggaerAsoHook.endpoint_from(conn(extra, **fields))


# -- where it is


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "ees.example"}, "https://ees.example"),
        ({"host": " ees.example "}, "https://ees.example"),
        ({"host": "ees.example/"}, "https://ees.example"),
        ({"host": "ees.example/api/v2/"}, "https://ees.example/api/v2"),
        ({"host": "EES.Example"}, "https://ees.example"),
        ({"host": "https://ees.example"}, "https://ees.example"),
        ({"host": "HTTPS://ees.example"}, "https://ees.example"),
        ({"host": "http://ees.example:8080/x"}, "http://ees.example:8080/x"),
        ({"host": "ees.example:8443"}, "https://ees.example:8443"),
        ({"host": "ees.example", "port": 8443}, "https://ees.example:8443"),
        ({"host": "ees.example:1", "port": 2}, "https://ees.example:2"),
        ({"host": "ees.example", "schema": "http"}, "http://ees.example"),
        ({"host": "ees.example", "schema": "HTTP"}, "http://ees.example"),
        ({"host": "ees.example", "schema": "v1/jobs"}, "https://ees.example/v1/jobs"),
        ({"host": "ees.example/api", "schema": "/v1/"}, "https://ees.example/api/v1"),
        ({"host": "https://ees.example/x", "schema": "v1"}, "https://ees.example/x"),
        ({"host": "::1", "port": 8443}, "https://[::1]:8443"),
        ({"host": "2001:db8::1", "schema": "v1"}, "https://[2001:db8::1]/v1"),
        ({"host": "2001:db8::1/x"}, "https://[2001:db8::1]/x"),
        ({"host": "https://ees.example", "schema": "http"}, "https://ees.example"),
        ({"host": "[2001:db8::1]:8443"}, "https://[2001:db8::1]:8443"),
        ({"host": "https://[::1]/x"}, "https://[::1]/x"),
        ({"host": "127.0.0.1", "port": 80, "schema": "http"}, "http://127.0.0.1:80"),
    ],
)
def test_the_base_url(fields: dict[str, Any], url: str) -> None:
    assert base_url(conn(**fields)) == url


@pytest.mark.parametrize("schema", ["a database", "v1?x=1", "v1#x", "a\\b"])
def test_a_path_that_is_none(schema: str) -> None:
    with pytest.raises(ConfigurationError, match="path"):
        base_url(conn(schema=schema))


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("https://me:pw@api.example/v1/jobs", "https://api.example/v1/jobs"),
        ("https://me:pw@api.example:8443", "https://api.example:8443"),
        ("http://me:pw@api.example:8080/https", "https://api.example:8080"),
        ("http://me:pw@api.example/v1", "http://api.example/v1"),
        ("http://https%3A%2F%2Fapi.example%2Fv1", "https://api.example/v1"),
        ("https://[2001:db8::1]:8443/v1", "https://[2001:db8::1]:8443/v1"),
    ],
)
def test_a_connection_that_is_written_as_a_uri(uri: str, url: str) -> None:
    assert base_url(Connection.from_uri(uri, conn_id="c"), default_scheme="http") == url


def test_the_scheme_by_default_can_be_another() -> None:
    assert base_url(conn(), default_scheme="http") == "http://ees.example"


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        " ",
        "https://",
        "ftp://ees.example",
        "file:///x",
        "https://ees.example?x=1",
        "https://ees.example/#x",
        "https://[::1",
        "https://ees.example:port",
        "https://user@ees.example",
        "https://user:pw@ees.example",
        ":::1",
        "ees.example:99999",
        "a b.example",
        "ees.example\\x",
        "https://:pw@ees.example",
    ],
)
def test_a_host_that_is_no_address(host: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        remote(host=host)
    assert "pw" not in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=40), st.one_of(st.none(), st.integers(-5, 70000)))
def test_any_host_is_an_address_or_a_configuration_error(host: str, port: int | None) -> None:
    try:
        found = remote(host=host, port=port)
    except ConfigurationError:
        return
    assert found.base_url.startswith(("http://", "https://"))
    assert "@" not in found.base_url.split("/")[2]


# -- what all connections share


@pytest.mark.parametrize(
    ("value", "verify"),
    [
        (None, True),
        (True, True),
        ("", True),
        (" ", True),
        ("true", True),
        ("True", True),
        (" TRUE ", True),
        (False, False),
        ("false", False),
        ("False ", False),
        ("/etc/ca.pem", "/etc/ca.pem"),
        (" /etc/ca.pem ", "/etc/ca.pem"),
    ],
)
def test_verify(value: Any, verify: Any) -> None:
    assert remote({"verify": value}).verify is verify or remote({"verify": value}).verify == verify
    assert isinstance(remote({"verify": value}).verify, type(verify))


@pytest.mark.parametrize("value", [0, 1, [], {}, 0.0])
def test_nothing_but_false_turns_verification_off(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="verify"):
        remote({"verify": value})


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, DEFAULT_TIMEOUT), ("", DEFAULT_TIMEOUT), (5, 5), ("7.5", 7.5)]
)
def test_timeout(value: Any, seconds: float) -> None:
    assert remote({"timeout": value}).timeout == seconds


@pytest.mark.parametrize("value", [0, -1, "soon", "nan", "inf", 1e9, [], {}, "-3"])
def test_a_timeout_that_is_none(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        remote({"timeout": value})


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        (None, set()),
        ("", set()),
        ([], set()),
        ("a.example, B.example:8443 ,", {"a.example", "b.example:8443"}),
        (["a.example", " b.example "], {"a.example", "b.example"}),
        ("[2001:DB8::1]:443,2001:db8::2,[::1]", {"[2001:db8::1]:443", "2001:db8::2", "[::1]"}),
        ("my_host", {"my_host"}),
    ],
)
def test_allowed_hosts(value: Any, hosts: set[str]) -> None:
    assert remote({"allowed_hosts": value}).allowed_hosts == hosts


@pytest.mark.parametrize(
    "value",
    [
        "https://a.example",
        "*.example",
        "*",
        "a.example/x",
        "u@a.example",
        "a b",
        "a.example:port",
        7,
        {"a": 1},
    ],
)
def test_an_allowed_host_that_would_never_match_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="allowed_hosts"):
        remote({"allowed_hosts": value})


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("proxy:3128", "http://proxy:3128"),
        (" http://u:p@proxy:3128 ", "http://u:p@proxy:3128"),
        ("https://proxy", "https://proxy"),
    ],
)
def test_proxy(value: Any, proxy: str | None) -> None:
    assert remote({"proxy": value}).proxy == proxy


@pytest.mark.parametrize("value", [f"socks5://u:{CANARY}@proxy", "http://", "http://h:port", 7, ["x"]])
def test_a_proxy_that_is_none(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        remote({"proxy": value})
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("extra", ["[1]", '"text"', "7"])
def test_an_extra_that_is_no_object(extra: str) -> None:
    with pytest.raises(ConfigurationError, match="extra"):
        extra_of(conn(extra))


def test_no_extra_at_all() -> None:
    assert extra_of(conn()) == {}
    assert common_settings(conn()) == {
        "verify": True,
        "result_verify": True,
        "proxy": None,
        "timeout": DEFAULT_TIMEOUT,
        "cert": None,
        "cookies": False,
        "csrf": None,
        "allowed_hosts": frozenset(),
        "result_hosts": frozenset(),
        "max_status_bytes": 256 * 1024,
        "min_poll_interval": 5.0,
        "max_requests_per_minute": 6000,
        "account": "",
        "job_url": "",
    }


@pytest.mark.parametrize(
    ("extra", "cert"),
    [
        ({"cert": "/c.pem"}, ("/c.pem", "/c.pem")),
        ({"cert": " /c.pem ", "cert_key": "/k.pem"}, ("/c.pem", "/k.pem")),
        ({"cert": ["/c.pem", "/k.pem"]}, ("/c.pem", "/k.pem")),
        ({"cert": ""}, None),
    ],
)
def test_a_client_certificate(extra: Any, cert: Any) -> None:
    assert remote(extra).cert == cert


@pytest.mark.parametrize(
    "extra", [{"cert_key": "/k.pem"}, {"cert": 7}, {"cert": ["/c.pem", 7]}, {"cert": {"a": 1}}]
)
def test_a_client_certificate_that_is_none(extra: Any) -> None:
    with pytest.raises(ConfigurationError, match="cert in the extra"):
        remote(extra)


@pytest.mark.parametrize(
    ("extra", "csrf", "session"),
    [
        ({}, None, False),
        ({"cookies": True}, None, True),
        ({"cookies": "false"}, None, False),
        ({"csrf": "true"}, "", True),
        ({"csrf": "sap/opu/x/"}, "sap/opu/x/", True),
        ({"csrf": False}, None, False),
    ],
)
def test_what_is_kept_within_a_job(extra: Any, csrf: str | None, session: bool) -> None:
    found = remote(extra)
    assert found.csrf == csrf
    assert (found.new_session() is not None) == session


@pytest.mark.parametrize(
    "name", ["max_status_bytes", "min_poll_interval", "max_requests_per_minute", "timeout"]
)
@pytest.mark.parametrize("value", [0, -1, "soon", True, 10**12, [1]])
def test_a_bound_that_is_none(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        remote({name: value})


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("allowed_host", "allowed_hosts"),
        ("allowedHosts", "allowed_hosts"),
        ("result-hosts", "result_hosts"),
        ("verfy", "verify"),
        ("Timeout", "timeout"),
        ("token_uri", "token_url"),
        ("apikey", "api_key"),
    ],
)
def test_a_name_that_is_nearly_ours(name: str, right: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Is '{right}' meant"):
        remote({name: "x"})


def test_a_name_that_is_nobodys_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    remote({"purpose": "x"})
    assert "'purpose' in the extra of connection" in caplog.text


# -- who we are at ASO


def test_a_password_alone_is_a_ready_token() -> None:
    found = remote({"api_key": "key"})
    assert found.auth.headers() == {"Authorization": f"Bearer {CANARY}", "X-API-Key": "key"}
    assert found.headers == {"Accept": DEFAULT_ACCEPT}
    assert CANARY not in repr(found)


def test_what_was_pasted_with_a_line_break_is_taken_without() -> None:
    found = remote({"api_key": "key\n"}, password=f" {CANARY}\n")
    assert found.auth.headers() == {"Authorization": f"Bearer {CANARY}", "X-API-Key": "key"}


def test_the_vendor_s_media_type_is_spelled_right_by_default() -> None:
    assert DEFAULT_ACCEPT == "application/vnd.sciquest.com.ees+json"
    assert remote({"accept": "application/x"}).headers == {"Accept": "application/x"}
    assert remote({"accept": ""}).headers == {"Accept": DEFAULT_ACCEPT}


def test_client_credentials() -> None:
    found = remote(
        {"token_url": " https://auth.example/oauth2/token ", "scope": "s", "api_key": "key"}, login="id"
    )
    assert isinstance(found.auth, ClientCredentialsAuth)
    assert found.auth.headers() is None
    request = found.auth.token_request()
    assert request.url == "https://auth.example/oauth2/token"
    assert request.headers["X-API-Key"] == "key"
    assert b"scope=s" in (request.body or b"")
    assert CANARY not in repr(found)


@pytest.mark.parametrize(("value", "sent"), [(True, True), ("true", True), (False, False), ("False", False)])
def test_the_api_key_may_stay_away_from_the_token_endpoint(value: Any, sent: bool) -> None:
    found = remote(
        {"token_url": "https://auth.example/t", "api_key": "key", "token_api_key": value}, login="id"
    )
    assert ("X-API-Key" in found.auth.token_request().headers) == sent


@pytest.mark.parametrize(
    ("extra", "fields", "about"),
    [
        (None, {"password": None}, "neither"),
        (None, {"password": ""}, "neither"),
        (None, {"login": "id"}, "no token_url"),
        ({"token_url": "https://auth.example/t"}, {}, "needs login"),
        ({"token_url": "https://auth.example/t"}, {"login": "id", "password": None}, "needs login"),
        ({"token_url": "http://auth.example/t"}, {"login": "id"}, "in the clear"),
        ({"token_url": "HTTP://auth.example/t"}, {"login": "id"}, "in the clear"),
        ({"token_url": f"https://u:{CANARY}@auth.example/t"}, {"login": "id"}, "user or password"),
        ({"token_url": "auth.example/t"}, {"login": "id"}, "not a usable"),
        ({"token_url": "ftp://auth.example/t"}, {"login": "id"}, "not a usable"),
        ({"token_url": 7}, {"login": "id"}, "not a usable"),
    ],
)
def test_credentials_that_contradict_themselves(extra: Any, fields: dict[str, Any], about: str) -> None:
    with pytest.raises(ConfigurationError, match=about) as caught:
        remote(extra, **fields)
    assert CANARY not in str(caught.value)


def test_a_simulator_without_tls_may_have_a_token_endpoint_without() -> None:
    found = remote({"token_url": "http://127.0.0.1:1/t"}, login="id", host="http://127.0.0.1:2")
    assert isinstance(found.auth, ClientCredentialsAuth)


def test_a_connection_form_hands_over_text() -> None:
    """Airflow's form gives every extra field as text, and an empty one as text or null."""
    found = remote(
        {
            "api_key": "",
            "token_url": "",
            "scope": None,
            "accept": None,
            "allowed_hosts": "",
            "verify": "",
            "proxy": None,
            "timeout": "",
        }
    )
    assert found.auth.headers() == {"Authorization": f"Bearer {CANARY}"}
    assert (found.verify, found.proxy, found.timeout) == (True, None, DEFAULT_TIMEOUT)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.just([]),
    st.just({}),
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "api_key",
                "token_url",
                "scope",
                "accept",
                "allowed_hosts",
                "verify",
                "proxy",
                "timeout",
                "token_api_key",
            ]
        ),
        values,
    ),
    st.one_of(st.none(), st.text(max_size=10)),
)
def test_any_extra_is_a_remote_or_a_configuration_error(extra: dict[str, Any], login: str | None) -> None:
    try:
        found = remote(extra, login=login)
    except ConfigurationError as e:
        assert CANARY not in str(e)  # noqa: PT017 - both ways out are looked at
    else:
        assert CANARY not in repr(found)


def test_the_certificates_of_results_are_another_matter() -> None:
    assert remote({"verify": "false"}).result_verify is True
    assert remote({"result_verify": "false"}).result_verify is False
    assert remote({"result_verify": "false"}).verify is True
