# SPDX-License-Identifier: Apache-2.0
"""What tests, demo and benchmarks start: a real Airflow, a private PostgreSQL, simulators, an S3 server."""

from tests.support.harness.client import AirflowApiError, AirflowClient
from tests.support.harness.postgres import Postgres, PostgresMissingError
from tests.support.harness.processes import NotReadyError, free_port, wait_until
from tests.support.harness.real_airflow import AIRFLOW, MAP_INDEX, RealAirflow

__all__ = [
    "AIRFLOW",
    "MAP_INDEX",
    "AirflowApiError",
    "AirflowClient",
    "NotReadyError",
    "Postgres",
    "PostgresMissingError",
    "RealAirflow",
    "free_port",
    "wait_until",
]
