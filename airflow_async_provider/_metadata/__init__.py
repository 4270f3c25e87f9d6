# SPDX-License-Identifier: Apache-2.0
"""Each remote system, announced once; imports nothing but Python."""

from airflow_async_provider._metadata.automic import AUTOMIC
from airflow_async_provider._metadata.http_async import HTTP_ASYNC
from airflow_async_provider._metadata.jaggaer_aso import JAGGAER_ASO
from airflow_async_provider._metadata.open_connectors import OPEN_CONNECTORS
from airflow_async_provider._metadata.remote_job import REMOTE_JOB
from airflow_async_provider._metadata.system import PACKAGE, System

SYSTEMS: tuple[System, ...] = (JAGGAER_ASO, AUTOMIC, OPEN_CONNECTORS, HTTP_ASYNC, REMOTE_JOB)

__all__ = ["PACKAGE", "SYSTEMS", "System"]
