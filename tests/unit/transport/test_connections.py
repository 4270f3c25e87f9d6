# SPDX-License-Identifier: Apache-2.0
"""One word for a connection that is not there."""

from __future__ import annotations

import pytest

try:
    from airflow.sdk.exceptions import AirflowNotFoundException
except ImportError:  # Airflow 3.1
    from airflow.exceptions import AirflowNotFoundException

from airflow_async_provider._transport.connections import connection_must_exist
from airflow_async_provider.errors import ConnectionNotFoundError


def test_an_absent_connection_is_called_so() -> None:
    with (
        pytest.raises(ConnectionNotFoundError, match="no Airflow connection 'x'") as caught,
        connection_must_exist("x"),
    ):
        raise AirflowNotFoundException("The conn_id `x` isn't defined")
    assert caught.value.__suppress_context__


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="vault"), connection_must_exist("x"):
        raise RuntimeError("vault")
