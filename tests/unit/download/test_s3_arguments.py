# SPDX-License-Identifier: Apache-2.0
"""Arguments of an upload to S3, checked where the DAG is parsed."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_async_provider._download.s3_arguments import S3_ARGUMENTS, check_s3_arguments
from airflow_async_provider.errors import ConfigurationError


def test_names_are_those_of_boto3() -> None:
    """But for what belongs to one body alone."""
    from boto3.s3.transfer import S3Transfer

    known = {
        name
        for name in S3Transfer.ALLOWED_UPLOAD_ARGS
        if name == "ChecksumAlgorithm" or not name.startswith(("Checksum", "Mpu"))
    }
    assert known == S3_ARGUMENTS - {"BucketKeyEnabled"}


def test_every_name_is_one_of_the_call_that_makes_an_object() -> None:
    from botocore.session import Session

    model = Session().get_service_model("s3")
    for operation in ("PutObject", "CreateMultipartUpload"):
        assert set(model.operation_model(operation).input_shape.members) >= S3_ARGUMENTS - {"MpuObjectSize"}


def test_tags_may_be_a_dictionary() -> None:
    given = {"Tagging": {"team": "data & more", "stage": "raw"}, "Metadata": {"job": "7"}, "ACL": "private"}
    assert check_s3_arguments(given) == {
        "Tagging": "team=data+%26+more&stage=raw",
        "Metadata": {"job": "7"},
        "ACL": "private",
    }
    assert check_s3_arguments({"Tagging": "a=b", "BucketKeyEnabled": True}) == {
        "Tagging": "a=b",
        "BucketKeyEnabled": True,
    }
    assert check_s3_arguments(None) == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ServerSideEncription": "AES256"}, "Did you mean 'ServerSideEncryption'"),
        ({"ContentLength": "1"}, "unknown entry 'ContentLength'"),
        ({"ChecksumSHA256": "x"}, "unknown entry"),
        ({"ACL": None}, "ACL must be text, not NoneType"),
        ({"Metadata": "a=b"}, "Metadata must be a dictionary"),
        ({"Metadata": {"a": 1}}, "of Metadata must be text"),
        ({"Tagging": {"a": 1}}, "of Tagging must be text"),
        ("ACL=private", "must be a dictionary, not str"),
        (["ACL"], "must be a dictionary, not list"),
    ],
)
def test_what_cannot_be(given: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        check_s3_arguments(given)
