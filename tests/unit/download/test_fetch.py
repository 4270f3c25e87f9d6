# SPDX-License-Identifier: Apache-2.0
"""The report of a download."""

from __future__ import annotations

from typing import Any

from airflow_async_provider._download import DownloadReport


def test_report_is_plain_data() -> None:
    report = DownloadReport(uri="file:///x", bytes=1, skipped=True)
    plain: dict[str, Any] = report.to_dict()
    assert plain["skipped"] is True
    assert DownloadReport(**plain) == report
