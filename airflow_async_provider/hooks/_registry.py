# SPDX-License-Identifier: Apache-2.0
"""Which hook watches which job, by the protocol in its handle."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from airflow.sdk import BaseHook

from airflow_async_provider._metadata import PACKAGE, SYSTEMS
from airflow_async_provider._metadata.http_async import HTTP_ASYNC
from airflow_async_provider._transport.connections import connection_must_exist
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._base import AsyncApiHook, as_handle
from airflow_async_provider.protocols._job import JobHandle

HOOKS: Mapping[str, str] = {
    name: f"{PACKAGE}.hooks.{system.hook}" for system in SYSTEMS for name in system.protocols
}

#: Users' own protocols live on Airflow's standard ``http`` connections, as the generic profiles do.
GENERIC = f"{PACKAGE}.hooks.{HTTP_ASYNC.hook}"


def hook_for(job: JobHandle | Mapping[str, Any], conn_id: str | None = None) -> AsyncApiHook:
    """
    The hook for a job.

    :param conn_id: Airflow connection, None for the one that the job was started by, or the hook's default
    """
    handle = as_handle(job)
    module, _, name = HOOKS.get(handle.protocol, GENERIC).rpartition(".")
    hook: AsyncApiHook = getattr(import_module(module), name)(conn_id or handle.conn_id)
    return hook


def hook_for_connection(conn_id: str) -> AsyncApiHook:
    """
    The hook for an Airflow connection, by its type.

    :raises ConnectionNotFoundError: there is none of that name
    :raises ConfigurationError: its type is none of this package, and not ``http``
    """
    with connection_must_exist(conn_id):
        conn = BaseHook.get_connection(conn_id)
    known: dict[str, type[AsyncApiHook]] = {}
    for path in (f"{PACKAGE}.hooks.{system.hook}" for system in SYSTEMS):
        module, _, name = path.rpartition(".")
        hook: type[AsyncApiHook] = getattr(import_module(module), name)
        known.setdefault(hook.conn_type, hook)
    if conn.conn_type not in known:
        raise ConfigurationError(
            f"The connection {conn_id!r} has the type {conn.conn_type!r}. Files are fetched over connections "
            f"of the types {', '.join(sorted(known))}."
        )
    return known[conn.conn_type](conn_id)
