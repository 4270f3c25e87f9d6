# SPDX-License-Identifier: Apache-2.0
"""The origin rule, and how a protocol's request is put on a remote."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_async_provider._transport.auth import StaticAuth
from airflow_async_provider._transport.endpoint import Endpoint, WireRequest, origin, prepare, redirected
from airflow_async_provider._transport.exact_url_adapter import request_target
from airflow_async_provider.errors import ConfigurationError, OriginError
from airflow_async_provider.protocols import Headers, HttpRequest, HttpResponse

EES = Endpoint("https://ees.example/base")


def may(url: str, remote: Endpoint = EES) -> bool:
    return remote.may_have_credentials(url)


def followed(method: str, status: int, location: str | None) -> str | None:
    """Where a request that may not be sent twice follows a redirect to."""
    headers = Headers({} if location is None else {"Location": location})
    wire = WireRequest(method, "https://ees.example/base/x", {}, None)
    found = redirected(EES, wire, HttpResponse(status, headers, b"", 0.0))
    return None if found is None else found.url


# -- the origin rule


@pytest.mark.parametrize(
    "url",
    [
        "https://ees.example/base/x",
        "https://ees.example/elsewhere",
        "https://ees.example",
        "https://ees.example:443/x",
        "HTTPS://EES.Example/x",
        "https://ees.example/x?next=https://evil.example",
        "https://ees.example/x#@evil.example",
        "https://ees.example/@evil.example",
        "https://ees.example?@evil.example",
    ],
)
def test_the_own_origin_gets_credentials(url: str) -> None:
    assert may(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "https://ees.example.evil.example/x",
        "https://evilees.example/x",
        "https://sub.ees.example/x",
        "https://ees.example./x",
        "http://ees.example/x",
        "http://ees.example:443/x",
        "https://ees.example:8443/x",
        "https://ees.example:0/x",
        "https://ees.example:99999/x",
        "https://ees.example:port/x",
        "ftp://ees.example/x",
        "file:///etc/passwd",
        "javascript://ees.example/x",
        "//ees.example/x",
        "https:/ees.example/x",
        "https:///ees.example/x",
        "https:ees.example",
        "ees.example/x",
        "",
        # who is before the @ is no host
        "https://ees.example@evil.example/x",
        "https://ees.example:443@evil.example/x",
        "https://evil.example@ees.example/x",
        "https://user:password@ees.example/x",
        "https://@ees.example/x",
        "https://:@ees.example/x",
        # what parsers do not agree about
        "https://ees.example\\@evil.example/x",
        "https://evil.example\\@ees.example/x",
        "https:\\\\ees.example/x",
        "https://ees.example/a\\b",
        " https://ees.example/x",
        "https://ees.example/x ",
        "https://ees.example/\tx",
        "https://ees.example/x\r\nHost: evil.example",
        "https://ees.exam\nple/x",
        "\x00https://ees.example/x",
        "https://ees.example\x00.evil.example/x",
        "https://ees.example/\x7f",
        "https://[ees.example]/x",
        "https://[::1/x",
        # what IDNA makes of it
        "https://\uff45es.example/x",
        "https://ees\u3002example/x",
        "https://ees.example\uff0fx",
        "https://ee\u017f.example/x",
        "https://ees.example/ü",
        "https://ees.example%2eevil.example/x",
        "https://ees.example%00.evil.example/",
        "https://%65es.example/x",
    ],
)
def test_nobody_else_does(url: str) -> None:
    assert not may(url)


@pytest.mark.parametrize(
    ("base", "url", "allowed"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/x", True),
        ("http://127.0.0.1:8080", "http://127.0.0.1/x", False),
        ("http://127.0.0.1:8080", "http://localhost:8080/x", False),
        ("http://127.0.0.1", "http://127.1/x", False),
        ("http://127.0.0.1", "http://2130706433/x", False),
        ("http://127.0.0.1", "http://0x7f000001/x", False),
        ("http://127.0.0.1", "http://0177.0.0.1/x", False),
        ("http://127.0.0.1", "http://[::ffff:127.0.0.1]/x", False),
        ("https://ees.example", "http://169.254.169.254/latest/meta-data", False),
        ("http://ees.example", "http://169.254.169.254/latest/meta-data", False),
        ("http://ees.example", "http://[fe80::1%25eth0]/x", False),
        ("https://[::1]:8443", "https://[::1]:8443/x", True),
        ("https://[::1]", "https://[::1]:443/x", True),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]/x", True),
        ("https://[::1]", "https://[::2]/x", False),
        ("https://[::1]", "https://::1/x", False),
        ("http://ees.example", "https://ees.example/x", False),
        ("http://ees.example:80", "http://ees.example/x", True),
    ],
)
def test_origins_are_compared_as_they_are_spelled(base: str, url: str, allowed: bool) -> None:
    assert may(url, Endpoint(base)) == allowed


@pytest.mark.parametrize(
    ("listed", "url", "allowed"),
    [
        ("status.example", "https://status.example/x", True),
        ("status.example", "https://status.example:443/x", True),
        ("STATUS.example", "https://Status.Example/x", True),
        ("status.example", "https://status.example:8443/x", False),
        ("status.example:8443", "https://status.example:8443/x", True),
        ("status.example:8443", "https://status.example/x", False),
        ("status.example:443", "https://status.example/x", True),
        ("status.example", "http://status.example/x", False),
        ("status.example:80", "http://status.example/x", False),
        ("status.example", "https://sub.status.example/x", False),
        ("status.example", "https://user@status.example/x", False),
        ("*", "https://status.example/x", False),
        ("*.example", "https://status.example/x", False),
        (".example", "https://status.example/x", False),
        ("", "https://status.example/x", False),
        ("[2001:db8::1]", "https://[2001:db8::1]/x", True),
        ("2001:db8::1", "https://[2001:db8::1]/x", True),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443/x", True),
        ("[2001:db8::1]", "https://[2001:db8::1]:8443/x", False),
    ],
)
def test_listed_hosts(listed: str, url: str, allowed: bool) -> None:
    assert may(url, Endpoint("https://ees.example", allowed_hosts=frozenset({listed}))) == allowed


def test_a_remote_without_tls_may_list_hosts_without_it() -> None:
    remote = Endpoint("http://127.0.0.1:1", allowed_hosts=frozenset({"127.0.0.1:2", "other.example"}))
    assert may("http://127.0.0.1:2/x", remote)
    assert may("http://other.example/x", remote)
    assert may("https://other.example/x", remote)
    assert not may("http://127.0.0.1:3/x", remote)


hosts = st.sampled_from(["ees.example", "evil.example", "EES.EXAMPLE", "ees.example.", "[::1]", "", "\u017f"])
glue = st.sampled_from(
    ["", "@", ":", "/", "\\", "?", "#", "//", "%2f", "%40", " ", "\t", "\r\n", "\x00", ":443"]
)


@settings(deadline=None)
@given(
    st.sampled_from(["https://", "http://", "HTTPS://", "//", "https:", "https:///", "\thttps://"]),
    hosts,
    glue,
    hosts,
    glue,
    st.text(max_size=8),
)
@example("https://", "evil.example", "\\", "ees.example", "", "")
@example("https://", "ees.example", "@", "evil.example", "", "")
def test_both_http_clients_see_the_host_that_the_rule_has_seen(
    scheme: str, first: str, between: str, second: str, behind: str, rest: str
) -> None:
    from urllib3.util import parse_url
    from yarl import URL

    url = scheme + first + between + second + behind + rest
    if not may(url):
        return
    for host, port in (
        (parse_url(url).host, parse_url(url).port),
        (URL(url, encoded=True).host, URL(url).port),
    ):
        assert host is not None
        assert host.lower() == "ees.example"
        assert port in (None, 443)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_url_breaks_the_rule_or_gets_into_a_message(text: str) -> None:
    for url in (text, f"https://{text}", f"https://ees.example/Zq9{text}?Zq9{text}"):
        allowed = may(url)
        try:
            EES.check_origin(url, what="status URL")
        except OriginError as e:
            assert not allowed
            assert "Zq9" not in str(e)  # noqa: PT017 - both ways out are looked at
        else:
            assert allowed


def test_the_refusal_names_places_and_the_remedy() -> None:
    with pytest.raises(OriginError) as caught:
        EES.check_origin("https://u:canary@evil.example:8443/canary?canary", what="status URL")
    said = str(caught.value)
    assert "status URL" in said
    assert "https://evil.example:8443" in said
    assert "https://ees.example" in said
    assert "allowed_hosts" in said
    assert "canary" not in said


def test_the_refusal_of_strange_characters_says_so() -> None:
    with pytest.raises(OriginError, match="characters"):
        EES.check_origin("https://ees.example/ü", what="status URL")


# -- the remote itself


@pytest.mark.parametrize(
    "base",
    ["https://user@ees.example", "https://:pw@ees.example", "https://@ees.example", "ees", "ftp://h", ""],
)
def test_a_remote_needs_a_plain_address(base: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Endpoint(base)
    assert "pw" not in str(caught.value)


def test_a_remote_shows_no_secret() -> None:
    remote = Endpoint(
        "https://ees.example",
        auth=StaticAuth({"Authorization": "Bearer canary"}),
        headers={"X": "canary"},
        proxy="http://u:canary@proxy",
    )
    assert "canary" not in repr(remote)
    assert remote.host == "ees.example"
    assert Endpoint("https://[::1]:8443").host == "[::1]:8443"


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("event/7/async", "https://ees.example/base/event/7/async"),
        ("/event/7/async", "https://ees.example/base/event/7/async"),
        ("//evil.example/x", "https://ees.example/base/evil.example/x"),
        ("a b/ü?q=ö", "https://ees.example/base/a%20b/%C3%BC?q=%C3%B6"),
        ("a%20b%2fc", "https://ees.example/base/a%20b%2fc"),
        ("a#b\\c", "https://ees.example/base/a%23b%5Cc"),
        ("x?to=http://other", "https://ees.example/base/x?to=http://other"),
        ("https://other.example/%2f?x", "https://other.example/%2f?x"),
        ("", "https://ees.example/base/"),
    ],
)
def test_relative_urls_hang_below_the_base(url: str, resolved: str) -> None:
    assert EES.resolve(url) == resolved


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@Host:1/canary?canary#canary", "https://host:1"),
        ("https://[::1]:8443/x", "https://[::1]:8443"),
        ("HTTPS://host:443", "https://host"),
        ("http://host:443", "http://host:443"),
        ("nothing", "?://?"),
        ("http://h:x/", "an unreadable address"),
        ("http://[", "an unreadable address"),
    ],
)
def test_an_origin_is_no_more_than_scheme_host_and_port(url: str, shown: str) -> None:
    assert origin(url) == shown


# -- requests


def wire(remote: Endpoint = EES, **request: Any) -> WireRequest:
    return prepare(remote, HttpRequest(request.pop("method", "GET"), request.pop("url", "x"), **request))


def test_parameters_become_a_query() -> None:
    params = {"a": [1, "zwei", None], "b": True, "c": False, "d": None, "e": "x y&z", "f": "2020*:,"}
    assert wire(params=params).url == (
        "https://ees.example/base/x?a=1&a=zwei&b=true&c=false&e=x+y%26z&f=2020*:,"
    )
    assert wire(url="x?k=v", params={"a": 1}).url.endswith("/x?k=v&a=1")
    assert wire(params={"d": None}).url == "https://ees.example/base/x"
    assert wire(params={}).url == "https://ees.example/base/x"


def test_json_becomes_a_body_with_its_media_type() -> None:
    made = wire(method="POST", json={"name": "ü", "n": [1, None]})
    assert made.body == b'{"name":"\\u00fc","n":[1,null]}'
    assert made.headers["Content-Type"] == "application/json"
    assert "ees" not in repr(made)
    assert wire(json=0).body == b"0"


def test_a_media_type_of_the_request_or_the_connection_stays() -> None:
    assert wire(json={}, headers={"content-type": "application/x"}).headers["content-type"] == "application/x"
    remote = Endpoint("https://ees.example", headers={"Content-type": "application/y"})
    assert wire(remote, json={}).headers == {"Content-type": "application/y", "Accept": "application/json"}


def test_headers_of_the_same_name_are_sent_once() -> None:
    remote = Endpoint("https://ees.example", headers={"ACCEPT": "a/b", "X-One": "1"})
    made = wire(remote, headers={"accept": "c/d"})
    assert made.headers == {"accept": "c/d", "X-One": "1"}
    assert made.headers_with({"x-ONE": "2", "Authorization": "Bearer t"}) == {
        "User-Agent": "airflow-async-provider",
        "Accept-Encoding": "identity",
        "accept": "c/d",
        "x-ONE": "2",
        "Authorization": "Bearer t",
    }


@pytest.mark.parametrize("value", ["Bearer t\n", "t\r\nX: y", "t\x00", "Bearer ü", "\x7f"])
def test_a_header_that_could_be_read_as_two_is_refused_without_its_value(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        wire().headers_with({"X-API-Key": value})
    assert "X-API-Key" in str(caught.value)
    assert value not in str(caught.value)
    assert "Bearer" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a\n", "a:", "ü"])
def test_a_header_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        wire(headers={name: "x"}).headers_with({})


@pytest.mark.parametrize("json", [object(), {"a": {1, 2}}, float("nan"), {"d": b"x"}])
def test_what_is_no_json_is_a_configuration_error(json: Any) -> None:
    with pytest.raises(ConfigurationError, match="JSON"):
        wire(method="POST", json=json)


def test_a_foreign_url_is_not_even_prepared() -> None:
    with pytest.raises(OriginError):
        wire(url="https://evil.example/x")


# -- redirects


@pytest.mark.parametrize(
    ("method", "status", "location", "target"),
    [
        ("GET", 302, "/y", "https://ees.example/y"),
        ("GET", 301, "y", "https://ees.example/base/y"),
        ("HEAD", 307, "https://ees.example/y?%7e", "https://ees.example/y?%7e"),
        ("GET", 303, "?q", "https://ees.example/base/x?q"),
        ("GET", 308, "https://EES.example:443/y", "https://EES.example:443/y"),
        ("GET", 302, "https://evil.example/y", None),
        ("GET", 302, "//evil.example/y", None),
        ("GET", 302, "http://ees.example/y", None),
        ("GET", 302, "https://u@ees.example/y", None),
        ("GET", 302, "https://[broken", None),
        ("GET", 302, "//[", None),
        ("GET", 302, "\\\\evil.example", None),
        ("GET", 302, "/ü", None),
        ("GET", 302, "", None),
        ("GET", 302, None, None),
        ("GET", 304, "/y", None),
        ("GET", 200, "/y", None),
        ("POST", 307, "/y", None),
        ("DELETE", 302, "/y", None),
    ],
)
def test_redirects_are_followed_only_to_where_credentials_may_go(
    method: str, status: int, location: str | None, target: str | None
) -> None:
    assert followed(method, status, location) == target


@settings(deadline=None)
@given(st.text(max_size=50))
def test_no_redirect_leads_astray(location: str) -> None:
    target = followed("GET", 302, location)
    assert target is None or urlsplit(target).netloc.lower() in ("ees.example", "ees.example:443")


# -- the request line


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h/a%2fb/%7E/../c?x=%2F&y=a+b", "/a%2fb/%7E/../c?x=%2F&y=a+b"),
        ("https://h", "/"),
        ("https://h?x=1", "/?x=1"),
        ("https://h/x?", "/x?"),
        ("https://h/x#fragment", "/x"),
        ("https://h/a b/ü", "/a%20b/%C3%BC"),
    ],
)
def test_the_request_target_is_spelled_as_the_url(url: str, target: str) -> None:
    assert request_target(url) == target


# -- TLS of results


def test_what_is_said_about_the_remotes_certificate_does_not_reach_other_hosts() -> None:
    remote = Endpoint("https://ees.example", verify=False, allowed_hosts=frozenset({"files.ees.example"}))

    assert remote.verify_for("https://ees.example/result") is False
    assert remote.verify_for("https://files.ees.example/result") is False
    assert remote.verify_for("https://s3.example/bucket/result?X-Amz-Signature=1") is True


def test_results_on_other_hosts_can_have_a_ca_of_their_own() -> None:
    remote = Endpoint("https://ees.example", result_verify="/etc/ssl/store.pem")

    assert remote.verify_for("https://s3.example/bucket/result") == "/etc/ssl/store.pem"
    assert remote.verify_for("https://ees.example/result") is True


def test_the_client_certificate_goes_where_the_credentials_may_go() -> None:
    cert = ("/etc/ssl/client.pem", "/etc/ssl/client.key")
    remote = Endpoint("https://ees.example", cert=cert, allowed_hosts=frozenset({"files.ees.example"}))

    assert remote.cert_for("https://ees.example/result") == cert
    assert remote.cert_for("https://files.ees.example/result") == cert
    assert remote.cert_for("https://s3.example/bucket/result?X-Amz-Signature=1") is None
