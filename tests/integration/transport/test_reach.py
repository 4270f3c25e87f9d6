# SPDX-License-Identifier: Apache-2.0
"""What a remote can make a worker fetch, by what a URL says; where its socket ends up: ``test_sender``."""

from __future__ import annotations

import pytest

from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._transport.reach import kind_of
from airflow_async_provider.errors import ConfigurationError, OriginError

#: An address of documentation (RFC 5737): the connection points to no machine of ours.
FAR = "http://192.0.2.1"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.1", "loopback"),
        ("2130706433", "loopback"),
        ("0x7f000001", "loopback"),
        ("0177.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("2852039166", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b::7f00:1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("fd00:ec2::254", "metadata"),
        ("fd20:ce::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("::ffff:100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("192.0.0.192", "metadata"),
        ("64:ff9b:1::7f00:1", "loopback"),
        ("::ffff:0:7f00:1", "loopback"),
        ("::ffff:0:a9fe:a9fe", "link-local"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "loopback"),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", ""),
        ("2001:db8::5efe:169.254.169.254", "link-local"),
        ("2001:db8::200:5efe:127.0.0.1", "loopback"),
        ("2001:db8::5efe:10.0.0.1", ""),
        ("0.1.2.3", "unspecified"),
        ("::ffff:0.1.2.3", "unspecified"),
        ("0", "unspecified"),
        ("017700000001", "loopback"),
        ("fd00:ec2::253", ""),
        ("64:ff9b::a00:1", ""),
        ("10.0.0.1", ""),
        ("192.168.1.1", ""),
        ("192.0.2.7", ""),
        ("files.example", ""),
        ("", ""),
    ],
)
def test_what_is_special_about_an_address(address: str, kind: str) -> None:
    assert kind_of(address) == kind


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/x",
        "http://localhost/x",
        "http://LOCALHOST./x",
        "http://a.localhost/x",
        "http://[::1]/x",
        "http://[::ffff:7f00:1]/x",
        "http://0x7f.1/x",
        "http://2130706433/x",
        "http://169.254.169.254/latest/meta-data/iam",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://0.0.0.0/x",
        "http://[fe80::1]/x",
        "http://127.0.0.1../x",
        "http://\uff11\uff12\uff17.0.0.1/x",
        "http://127\u30020\u30020\u30021/x",
        "http://\u2460\u2461\u2466.0.0.1/x",
        "http://localhost\u3002/x",
        "http://\u24dbocalhost/x",
        "http://local\u00adhost/x",
        "http://127.0.0.1\u200b/x",
        "http://127%2e0%2e0%2e1/x",
        "http://%31%32%37.0.0.1/x",
        "http://localhost%2e/x",
        "http://metadata/x",
        "http://metadata.goog/x",
        "http://localhost.localdomain/x",
        "http://ip6-localhost/x",
        "http://instance-data.ec2.internal/x",
    ],
)
def test_a_result_on_the_worker_itself_is_refused_as_it_is_written(url: str) -> None:
    with pytest.raises(OriginError, match="nothing was fetched"):
        Endpoint(FAR).reach.check(url)
    Endpoint(
        url.split("/x", maxsplit=1)[0].split("/latest", maxsplit=1)[0].split("/compute", maxsplit=1)[0]
    ).reach.check(url)  # is there itself


@pytest.mark.parametrize("url", ["ftp://files.example/x", "http://h\\@x/", "file:///etc/passwd", "/x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Endpoint(FAR).reach.check(url)


def test_a_storage_anywhere_is_fine_until_a_list_narrows_it() -> None:
    url = "https://bucket.storage.example/x?sig=canary"
    Endpoint(FAR).reach.check(url)
    Endpoint(FAR, result_hosts=frozenset({"bucket.storage.example"})).reach.check(url)
    Endpoint(FAR, result_hosts=frozenset({"other.example"})).reach.check(f"{FAR}/own")
    Endpoint(FAR, result_hosts=frozenset({"o.example"}), allowed_hosts=frozenset({"a.example"})).reach.check(
        "http://a.example/x"
    )
    for listed in ("other.example", "storage.example", "bucket.storage.example:8443"):
        with pytest.raises(OriginError, match="result_hosts") as caught:
            Endpoint(FAR, result_hosts=frozenset({listed})).reach.check(url)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:100.100.100.200"])
def test_not_even_the_connections_own_name_may_lead_to_credentials_of_the_machine(address: str) -> None:
    with pytest.raises(OriginError, match="nothing was fetched"):
        Endpoint("http://api.example").reach.check_address("http://api.example/x", address)
    there = Endpoint("http://169.254.1.1").reach
    there.check_address("http://169.254.1.1/x", "169.254.1.1")
