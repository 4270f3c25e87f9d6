# SPDX-License-Identifier: Apache-2.0
"""Many small objects, against two servers, one of which checks signatures."""

from __future__ import annotations

import base64
import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.credentials import Credentials

from airflow_async_provider._download import FileToStore, store_files
from airflow_async_provider._download.destination import s3_small
from airflow_async_provider._download.destination.s3_small import MAX_FAILURES, SmallObjects
from airflow_async_provider._download.files import MANIFEST
from airflow_async_provider._download.source.base import ChunkSource
from tests.support.byte_server import running, status
from tests.support.s3_servers import S3Server, _moto, _rclone, moto_s3, s3_server  # noqa: F401 - fixtures

#: Names that a URL cannot hold as they are, after one that boto3 sends.
NAMES = ("first", "a b", "\u00fc/\u4e2d", "x+y", "q?&=#%", "tilde~", "(1).csv", "it's*")


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3_server.connection())
    return s3_server


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """What was sent without boto3, and what was not."""
    sent = []
    put = SmallObjects.put

    def watched(self: SmallObjects, key: str, *args: Any, **kwargs: Any) -> bool:
        done = put(self, key, *args, **kwargs)
        if not key.endswith(MANIFEST):
            sent.append((key.partition("/")[2], done))
        return done

    monkeypatch.setattr(SmallObjects, "put", watched)
    return sent


def content(name: str) -> bytes:
    return f"content of {name} ".encode() * 1000


def store(s3: S3Server, prefix: str, names: tuple[str, ...] = NAMES, **options: Any) -> dict[str, bytes]:
    """Store files with these names, one after the other; what lies there then."""

    def one(name: str) -> FileToStore:
        data = content(name)
        return FileToStore(lambda: ChunkSource([data], length=len(data), content_type="text/csv"), name=name)

    store_files(map(one, names), f"s3://{s3.bucket}/{prefix}/", at_once=1, **options)
    return {name: s3.content(f"{prefix}/{name}") for name in names}


def test_all_but_the_first_are_sent_without_boto3(s3: S3Server, quick: list[tuple[str, bool]]) -> None:
    found = store(s3, "many")
    assert found == {name: content(name) for name in NAMES}
    assert quick == [("first", False)] + [(name, True) for name in NAMES[1:]]


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_what_is_known_of_a_file_stays_with_it(s3: S3Server, quick: list[tuple[str, bool]]) -> None:
    extra = {"StorageClass": "STANDARD_IA", "CacheControl": "no-store", "ChecksumAlgorithm": "SHA256"}
    store(s3, "known", s3_extra_args=extra)
    assert quick[-1][1]
    sha256 = base64.b64encode(hashlib.sha256(content(NAMES[-1])).digest()).decode()
    head = s3.client.head_object(Bucket=s3.bucket, Key=f"known/{NAMES[-1]}", ChecksumMode="ENABLED")
    assert head["ContentType"] == "text/csv"
    assert head["StorageClass"] == "STANDARD_IA"
    assert head["CacheControl"] == "no-store"
    assert head["ChecksumSHA256"] == sha256


@pytest.mark.parametrize(
    "options",
    [
        {"if_exists": "fail"},  # takes a condition, and a look where an answer is lost
        {"s3_extra_args": {"Metadata": {"team": "data"}}},
        {"s3_extra_args": {"ChecksumAlgorithm": "SHA1"}},
    ],
)
@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_what_is_not_plain_goes_through_boto3(
    s3: S3Server, quick: list[tuple[str, bool]], options: dict[str, Any]
) -> None:
    prefix = f"own-{len(str(options))}"
    assert store(s3, prefix, NAMES[:3], **options) == {name: content(name) for name in NAMES[:3]}
    assert not any(done for _, done in quick)


@pytest.mark.parametrize("s3_server", ["rclone"], indirect=True)
def test_what_is_refused_goes_through_boto3(
    s3: S3Server, quick: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    put = s3_small._Way.put

    def wrong(self: Any, key: str, body: bytes, sha256: str, headers: Any) -> bool:
        tried.append(key)
        self._credentials = Credentials("AKIANOBODY", "nobody's")
        return put(self, key, body, sha256, headers)

    monkeypatch.setattr(s3_small._Way, "put", wrong)
    assert store(s3, "refused") == {name: content(name) for name in NAMES}
    assert not any(done for _, done in quick)
    assert len(tried) == MAX_FAILURES


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_who_cannot_be_learned_from_is_not_disturbed(
    s3: S3Server, quick: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no session")

    monkeypatch.setattr(s3_small, "_session", fails)
    assert store(s3, "unlearned") == {name: content(name) for name in NAMES}
    assert not any(done for _, done in quick)


@pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
def test_a_connection_that_breaks_leads_to_boto3(
    s3: S3Server, quick: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = s3_small._Way.put

    def broken(self: Any, key: str, *args: Any) -> bool:
        if key.endswith("x+y"):
            raise ConnectionResetError
        return put(self, key, *args)

    monkeypatch.setattr(s3_small._Way, "put", broken)
    assert store(s3, "broken") == {name: content(name) for name in NAMES}
    assert [name for name, done in quick if not done] == ["first", "x+y"]


@pytest.mark.parametrize("where", ["environment", "connection"])
def test_they_go_through_the_proxy_of_boto3_s_own_client(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://storage.invalid/bucket/key"
    with running(steps=[status(200)]) as proxy, running() as other:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", (proxy if where == "environment" else other).origin)
        config = Config(proxies={"http": proxy.origin} if where == "connection" else None)
        session = s3_small._session(url, config, None)
        session.send(AWSPreparedRequest("PUT", url, {}, b"x", False))
        assert [r.target for r in proxy.requests] == [url]
        assert other.requests == []


SIGNED = "AWS4-HMAC-SHA256 Credential=AK/20261126/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=ab"


@pytest.mark.parametrize(
    ("authorization", "url"),
    [
        (SIGNED.replace("/s3/", "/s3express/"), "https://s3.example/bucket/a/key"),
        (SIGNED.replace("HMAC-SHA256", "ECDSA-P256-SHA256"), "https://s3.example/bucket/a/key"),
        ("", "https://s3.example/bucket/a/key"),
        (SIGNED, "https://s3.example/bucket/a/key?partNumber=1"),
        (SIGNED, "https://s3.example/bucket/another"),
    ],
)
def test_a_request_of_another_kind_shows_no_way_for_the_others(authorization: str, url: str) -> None:
    request = SimpleNamespace(headers={"Authorization": authorization.encode(), "User-Agent": "x"}, url=url)
    assert s3_small._way(None, None, request, "a/key") is None


@pytest.mark.parametrize(
    ("environment", "verify", "trusted"),
    [
        ({}, None, True),
        ({"AWS_CA_BUNDLE": "/aws.pem"}, None, "/aws.pem"),
        ({"REQUESTS_CA_BUNDLE": "/requests.pem"}, None, "/requests.pem"),
        ({"AWS_CA_BUNDLE": "/aws.pem", "REQUESTS_CA_BUNDLE": "/requests.pem"}, None, "/aws.pem"),
        ({"AWS_CA_BUNDLE": "/aws.pem"}, "/own.pem", "/own.pem"),
        ({"AWS_CA_BUNDLE": "/aws.pem"}, False, False),
    ],
)
def test_they_trust_whom_boto3_s_own_client_trusts(
    environment: dict[str, str], verify: Any, trusted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given: dict[str, Any] = {}
    monkeypatch.setattr("botocore.httpsession.URLLib3Session", lambda **options: given.update(options))
    s3_small._session("https://storage.example/", Config(), verify)
    assert given["verify"] == trusted
