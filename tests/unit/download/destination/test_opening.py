# SPDX-License-Identifier: Apache-2.0
"""Which destination an address names."""

from __future__ import annotations

import pytest

from airflow_async_provider._download import open_destination
from airflow_async_provider._download.destination.local_file import LocalFile
from airflow_async_provider._download.destination.object_storage import StoredObject
from airflow_async_provider._download.destination.s3 import S3Object
from airflow_async_provider.errors import ConfigurationError


@pytest.mark.parametrize(
    ("destination", "kind", "uri"),
    [
        ("/data/x y.csv", LocalFile, "file:///data/x%20y.csv"),
        ("file:///data/x%20y.csv", LocalFile, "file:///data/x%20y.csv"),
        ("/data/odd://name", LocalFile, "file:///data/odd%3A/name"),
        ("s3://bucket/a b/c", S3Object, "s3://bucket/a b/c"),
        ("S3A://conn@bucket/key", S3Object, "s3://bucket/key"),
        ("gs://conn@bucket/key", StoredObject, "gs://conn@bucket/key"),
    ],
)
def test_destinations(destination: str, kind: type, uri: str) -> None:
    place = open_destination(destination)
    assert type(place) is kind
    assert place.uri == uri
    assert uri in repr(place)


def test_unknown_if_exists() -> None:
    with pytest.raises(ConfigurationError, match="'replace', 'skip' or 'fail'"):
        open_destination("/x", if_exists="append")  # type: ignore[arg-type]  # what a DAG author may write
