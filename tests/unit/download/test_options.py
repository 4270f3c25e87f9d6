# SPDX-License-Identifier: Apache-2.0
"""What operators with a destination take, and what they refuse where the DAG is parsed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider._download.limits import DownloadLimits
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"if_exists": "append"}, "'replace', 'skip' or 'fail', not 'append'"),
        ({"unpack": "rar"}, "unpack must be 'gzip', 'zip' or None"),
        ({"charset": "latin-99"}, "charset must be a charset that Python knows"),
        ({"charset": "base64"}, "charset of text"),
        ({"charset": 7}, "charset must be"),
        ({"s3_extra_args": {"Acl": "x"}}, "Did you mean 'ACL'"),
        ({"object_storage_options": ["x"]}, "object_storage_options must be a dictionary"),
        ({"max_result_bytes": 0}, "max_result_bytes must be a number above 0"),
        ({"max_result_bytes": "1 GiB"}, "max_result_bytes must be a number above 0"),
        ({"min_bytes_per_second": True}, "min_bytes_per_second must be a number above 0"),
        ({"max_result_seconds": float("nan")}, "max_result_seconds must be a number above 0"),
    ],
)
def test_what_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        StoreOptions(**given)


def test_bounds_may_be_taken_away() -> None:
    options = StoreOptions(max_result_bytes=None, min_bytes_per_second=None, max_result_seconds=None)
    assert options.limits == DownloadLimits(max_bytes=None, min_bytes_per_second=None, max_seconds=None)
    assert all(
        vars_ is not None for vars_ in (StoreOptions().limits.max_bytes, StoreOptions().limits.max_seconds)
    )


def test_a_key_is_in_no_repr() -> None:
    options = StoreOptions(
        s3_extra_args={"SSECustomerKey": "SECRET"}, object_storage_options={"token": "SECRET"}
    )
    assert "SECRET" not in repr(options)


@pytest.mark.parametrize(
    ("destination", "given", "words"),
    [
        ("gs://b/k", {"s3_extra_args": {"ACL": "private"}}, "s3_extra_args applies to s3://"),
        ("/data/x", {"s3_extra_args": {"ACL": "private"}}, "s3_extra_args applies to s3://"),
        ("s3://b/k", {"object_storage_options": {"a": 1}}, "Use s3_extra_args"),
        ("/data/x", {"object_storage_options": {"a": 1}}, "object_storage_options applies to"),
        ("relative", {}, "relative path"),
    ],
)
def test_options_that_do_not_fit_the_destination(destination: str, given: dict[str, Any], words: str) -> None:
    options = StoreOptions(**given)
    with pytest.raises(ConfigurationError, match=words):
        options.read(destination)
    with pytest.raises(ConfigurationError, match=words):
        options.check(destination)


def test_a_template_is_looked_at_when_it_is_rendered() -> None:
    StoreOptions().check("{{ params.where }}")
    StoreOptions().check("s3://bucket/{{ ds }}/")
    StoreOptions().check(object())  # an XComArg
