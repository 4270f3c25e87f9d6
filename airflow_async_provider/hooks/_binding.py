# SPDX-License-Identifier: Apache-2.0
"""Which system a job belongs to: where its connection pointed when it was started, and whose jobs it saw."""

from __future__ import annotations

from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider._urls import path_of, shown
from airflow_async_provider.errors import JobElsewhereError
from airflow_async_provider.hooks._connection import short_hash
from airflow_async_provider.protocols._job import JobHandle


def place_of(endpoint: Endpoint, *, account: str = "") -> str:
    """
    Where an endpoint is, for a person and for comparing: origin, base path, and a hash of whose jobs it sees.

    :param account: see :class:`~airflow_async_provider._transport.endpoint.Endpoint`
    """
    base = endpoint.base_url.rstrip("/")
    place = shown(base).rstrip("/")
    # What a message shortens in a path may be what distinguishes two systems.
    hidden = short_hash(path_of(base)) if not place.endswith(path_of(base)) else ""
    account_digest = "-".join(filter(None, (account, hidden)))
    return f"{place} account {account_digest}" if account_digest else place


def check_bound(handle: JobHandle, *, conn_id: str, here: str) -> None:
    """
    Refuse to ask about a job where it is not.

    :param conn_id: the connection that would be asked
    :param here: where that points now
    :raises JobElsewhereError: the job belongs elsewhere
    """
    if handle.origin in (None, here):
        return
    raise JobElsewhereError(
        f"The {handle.protocol} job {handle.shown_id} belongs to {handle.origin} (connection "
        f"{handle.conn_id!r}), but the connection {conn_id!r} points to {here} now. Nothing was sent: a job "
        "of that id may be another user's there. Set the connection back (host, path, login, headers that "
        "name a tenant), or clear the task for a new job.",
        job=handle.shown_id,
    )
