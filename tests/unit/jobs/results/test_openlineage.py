# SPDX-License-Identifier: Apache-2.0
"""Where a stored result is: link for a person, URI of the asset, name of the dataset. None holds a secret."""

from __future__ import annotations

import json

import pytest

from airflow_async_provider._download import DownloadReport, open_destination
from airflow_async_provider._jobs.results.asset_events import asset_uri
from airflow_async_provider._jobs.results.openlineage import remote_dataset, stored_dataset

KEY = "2026/a b&c#d.json"
IN_CONSOLE = "/s3/object/results?region={}&prefix=2026%2Fa%20b%26c%23d.json"


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("eu-central-1", "https://console.aws.amazon.com"),
        ("cn-north-1", "https://console.amazonaws.cn"),
        ("us-gov-west-1", "https://console.amazonaws-us-gov.com"),
    ],
)
def test_the_link_to_an_object_at_aws_is_that_of_its_console(
    monkeypatch: pytest.MonkeyPatch, region: str, console: str
) -> None:
    connection = {
        "conn_type": "aws",
        "login": "AKIA",
        "password": "a-secret",
        "extra": {"region_name": region},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    link = open_destination(f"s3://results/{KEY}").link()
    assert link == console + IN_CONSOLE.format(region)


@pytest.mark.parametrize(
    ("extra", "link"),
    [
        ({"endpoint_url": "https://minio.example:9000/"}, "https://minio.example:9000/results/k"),
        ({"endpoint_url": "https://user:secret@minio.example/s3"}, "https://minio.example/s3/results/k"),
        (
            {"service_config": {"s3": {"endpoint_url": "http://[::1]:9000"}}},
            "http://[::1]:9000/results/k",
        ),
        (
            {"endpoint_url": "https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com"},
            "https://console.aws.amazon.com/s3/object/results?region=eu-central-1&prefix=k",
        ),
    ],
)
def test_the_link_to_an_object_elsewhere_is_its_address(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, object], link: str
) -> None:
    connection = {"conn_type": "aws", "login": "AKIA", "password": "a-secret"}
    connection["extra"] = {"region_name": "eu-central-1", **extra}  # type: ignore[assignment] # it is JSON
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    assert open_destination("s3://store@results/k").link() == link


@pytest.mark.parametrize(
    ("destination", "link"),
    [
        (
            "gs://google_default@results/a b.json",
            "https://console.cloud.google.com/storage/browser/_details/results/a%20b.json",
        ),
        ("abfs://store@results/a.json", ""),
        ("/data/a.json", ""),
        ("file:///data/a.json", ""),
    ],
)
def test_links_of_other_places(destination: str, link: str) -> None:
    assert open_destination(destination).link() == link


def test_the_link_is_not_in_what_goes_to_xcom() -> None:
    report = DownloadReport(uri="s3://results/k", bytes=1, link="https://console")
    assert "link" not in report.to_dict()


@pytest.mark.parametrize(
    ("uri", "asset"),
    [
        ("s3://results/2026/a.json", "s3://results/2026/a.json"),
        ("s3://results/50%/a b#c?d.json", "s3://results/50%25/a%20b%23c%3Fd.json"),
        ("file:///data/a%20b.json", "file:///data/a%20b.json"),
        ("s3://results/größe", "s3://results/gr%C3%B6%C3%9Fe"),
    ],
)
def test_the_uri_of_an_asset_survives_airflow_s_reading(uri: str, asset: str) -> None:
    from airflow.sdk import Asset

    assert asset_uri(uri) == asset
    assert Asset(uri=asset_uri(uri)).uri == asset


@pytest.mark.parametrize(
    ("base_url", "path", "place"),
    [
        ("https://api.example", "reports?token=x", ("https://api.example", "reports")),
        ("https://api.example:8443/v2/", "/reports/#top", ("https://api.example:8443", "v2/reports")),
        ("https://user:pass@api.example", "", ("https://api.example", "/")),
        ("https://api.example/v2", "https://api.example/v3/x?sig=1", ("https://api.example", "v3/x")),
    ],
)
def test_the_dataset_of_an_endpoint(base_url: str, path: str, place: tuple[str, str]) -> None:
    assert remote_dataset(base_url, path) == place


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://results/2026/a b.json", ("s3://results", "2026/a b.json")),
        ("gs://conn_id@results/a", ("gs://results", "a")),
        ("sftp://user:pass@host", ("sftp://host", "/")),
        ("file:///data/a%20b.json", ("file", "/data/a b.json")),
        ("/data/a%20b.json", ("file", "/data/a%20b.json")),
    ],
)
def test_the_dataset_of_a_destination(uri: str, place: tuple[str, str]) -> None:
    assert stored_dataset(uri) == place
