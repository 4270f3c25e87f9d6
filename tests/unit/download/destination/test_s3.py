# SPDX-License-Identifier: Apache-2.0
"""What an old boto3 does not know."""

from __future__ import annotations

from typing import Any

from airflow_async_provider._download.destination.s3 import S3Object


def test_condition_that_an_old_boto3_does_not_know() -> None:
    from botocore.exceptions import ParamValidationError

    calls: list[dict[str, Any]] = []

    def call(**conditions: Any) -> None:
        calls.append(conditions)
        if conditions:
            raise ParamValidationError(report="Unknown parameter in input: IfNoneMatch")

    S3Object("bucket", "key", if_exists="fail")._create_new(call)
    assert calls == [{"IfNoneMatch": "*"}, {}]
