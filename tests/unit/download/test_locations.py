# SPDX-License-Identifier: Apache-2.0
"""Addresses of sources and destinations, read in one place."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from airflow_async_provider._download.locations import Location, read_location
from airflow_async_provider.errors import ConfigurationError


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/data/x y.csv", Location("file", "file:///data/x%20y.csv", path="/data/x y.csv")),
        ("file:///data/x%20y.csv", Location("file", "file:///data/x%20y.csv", path="/data/x y.csv")),
        ("FILE://localhost/a?b", Location("file", "file:///a%3Fb", path="/a?b")),
        ("s3://bucket/a b/c?d#e", Location("s3", "s3://bucket/a b/c?d#e", bucket="bucket", key="a b/c?d#e")),
        ("S3A://c@bucket/k", Location("s3", "s3://bucket/k", bucket="bucket", key="k", conn_id="c")),
        ("gs://c@bucket/k", Location("other", "gs://c@bucket/k")),
    ],
)
@pytest.mark.parametrize("role", ["source", "destination"])
def test_files(address: str, expected: Location, role: Literal["source", "destination"]) -> None:
    assert read_location(address, role=role) == expected


@pytest.mark.parametrize(
    ("address", "uri", "child"),
    [
        ("/data", "file:///data/", "file:///data/a/b%20c"),
        ("/data/", "file:///data/", "file:///data/a/b%20c"),
        ("file:///da%20ta/", "file:///da%20ta/", "file:///da%20ta/a/b%20c"),
        ("s3://bucket", "s3://bucket/", "s3://bucket/a/b c"),
        ("s3://bucket/p", "s3://bucket/p/", "s3://bucket/p/a/b c"),
        ("s3://bucket/p/", "s3://bucket/p/", "s3://bucket/p/a/b c"),
        ("gs://c@bucket/p", "gs://c@bucket/p/", "gs://c@bucket/p/a/b c"),
    ],
)
def test_folders_and_what_lies_below(address: str, uri: str, child: str) -> None:
    folder = read_location(address, folder=True)
    assert folder.uri == uri
    found = folder.child("a/b c")
    assert found.uri == child
    assert found.kind == folder.kind
    if folder.kind == "file":
        assert found.path.endswith("ta/a/b c")
    if folder.kind == "s3":
        assert (found.bucket, found.uri) == ("bucket", f"s3://bucket/{found.key}")


@pytest.mark.parametrize(
    ("address", "words", "options"),
    [
        ("", "is empty", {}),
        ("  ", "is empty", {}),
        ("relative/path", "is a relative path", {}),
        ("file://relative", "names the host 'relative'", {}),
        ("file://host/x", "three slashes", {}),
        ("/ends/", "the destination is a file", {}),
        ("/ends/", "the source is a file", {"role": "source"}),
        ("/nul\0", "names a directory", {}),
        ("/nul\0", "names a directory", {"folder": True}),
        ("s3://bucket", "does not name an object", {}),
        ("s3://bucket/", "does not name an object", {}),
        ("s3:///key", "does not name an object", {}),
        ("s3:///key", "does not name a bucket", {"folder": True}),
        ("gs://user:SECRET@bucket/key", "The gs source holds a password", {"role": "source"}),
        ("s3://user:SECRET@bucket/key", "The s3 destination holds a password", {}),
    ],
)
def test_addresses_that_are_refused(address: str, words: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_location(address, **options)
    assert "SECRET" not in str(caught.value)
