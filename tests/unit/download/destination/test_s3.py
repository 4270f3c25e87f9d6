# SPDX-License-Identifier: Apache-2.0
"""What an old boto3 does not know, and how a client is made and sends."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._download.destination.s3 import S3Object, collector_paused


def test_condition_that_an_old_boto3_does_not_know() -> None:
    from botocore.exceptions import ParamValidationError

    calls: list[dict[str, Any]] = []

    def call(**conditions: Any) -> None:
        calls.append(conditions)
        if conditions:
            raise ParamValidationError(report="Unknown parameter in input: IfNoneMatch")

    S3Object("bucket", "key", if_exists="fail")._create_new(call)
    assert calls == [{"IfNoneMatch": "*"}, {}]


def sent(monkeypatch: pytest.MonkeyPatch, endpoint: str | None, **extra: Any) -> dict[str, str]:
    """The headers of a PUT of ``b"content"``, which goes nowhere."""
    from botocore.awsrequest import AWSResponse

    connection = {
        "conn_type": "aws",
        "login": "AKIAEXAMPLE",
        "password": "made-up",
        "extra": {"region_name": "us-east-1", "endpoint_url": endpoint, **extra},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    headers: dict[str, str] = {}

    def answer(request: Any, **_: Any) -> AWSResponse:
        for name, value in request.headers.items():
            headers[name.lower()] = value.decode() if isinstance(value, bytes) else str(value)
        return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda: iter(())))

    client = S3Object("bucket", "key").hook.get_conn()
    client.meta.events.register("before-send.s3.PutObject", answer)
    client.put_object(Bucket="bucket", Key="key", Body=b"content")
    return headers


def test_what_is_signed_by_its_hash_is_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = sent(monkeypatch, "http://127.0.0.1:9000")
    assert headers["x-amz-content-sha256"] == hashlib.sha256(b"content").hexdigest()
    assert not [name for name in headers if name.startswith("x-amz-checksum")]


@pytest.mark.parametrize("endpoint", ["https://s3.example.com", None])
def test_over_tls_a_checksum_goes_along(monkeypatch: pytest.MonkeyPatch, endpoint: str | None) -> None:
    headers = sent(monkeypatch, endpoint)
    assert headers["x-amz-trailer"] == "x-amz-checksum-crc32"


@pytest.mark.parametrize(
    ("config", "environment"),
    [
        ({"request_checksum_calculation": "when_supported"}, {}),
        ({"s3": {"payload_signing_enabled": False}}, {}),
        ({}, {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported"}),
    ],
)
def test_who_wants_a_checksum_gets_it(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    headers = sent(monkeypatch, "http://127.0.0.1:9000", config_kwargs=config)
    assert headers["x-amz-checksum-crc32"]


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_as_before_when_a_client_is_made(on: bool) -> None:
    was_on = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        with contextlib.suppress(LookupError), collector_paused():
            assert not gc.isenabled()
            raise LookupError
        assert gc.isenabled() is on
    finally:
        (gc.enable if was_on else gc.disable)()
