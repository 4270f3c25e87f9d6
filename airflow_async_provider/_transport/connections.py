# SPDX-License-Identifier: Apache-2.0
"""An Airflow connection that is not there is called so, in one message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_async_provider.errors import ConnectionNotFoundError

#: By its name, as it moved between Airflow's modules and is imported nowhere else.
_NOT_FOUND = "AirflowNotFoundException"


@contextmanager
def connection_must_exist(conn_id: str) -> Iterator[None]:
    """
    Look the connection up in the block.

    :param conn_id: its name
    :raises ConnectionNotFoundError: Airflow knows no connection of that name
    """
    try:
        yield
    except Exception as e:
        if all(cls.__name__ != _NOT_FOUND for cls in type(e).__mro__):
            raise
        raise ConnectionNotFoundError(
            f"There is no Airflow connection {conn_id!r}, or Airflow's secrets backend does not answer. "
            "Nothing was sent. Create it under Admin, Connections, or name another one."
        ) from None
