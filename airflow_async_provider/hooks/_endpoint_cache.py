# SPDX-License-Identifier: Apache-2.0
"""The remotes of the triggerer: connections that are looked up once for all jobs of an event loop."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import weakref
from typing import TYPE_CHECKING

from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider.errors import TransientError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_async_provider.hooks._base import AsyncApiHook

log = logging.getLogger(__name__)

#: A connection is looked up once in so many seconds for all jobs of an event loop: each look-up crosses to
#: the supervisor and to the database.
CONNECTION_LIFE = 60.0

#: After a look-up that failed, the remote that is known serves for so many seconds more (seconds).
LOOK_UP_AGAIN = 10.0


async def _connection(hook: type[AsyncApiHook], conn_id: str) -> Connection:
    """
    The Airflow connection, also where a trigger runs inside ``dag.test()``.

    What plays the supervisor there answers ``send`` and has no ``asend`` (Airflow 3.1 to 3.4). Airflow's
    asynchronous look-up takes that for "not found" and so never sees a connection in the database.
    """
    from airflow.sdk.execution_time import task_runner

    supervisor = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if supervisor is not None and not hasattr(supervisor, "asend"):
        return hook.get_connection(conn_id)
    return await hook.aget_connection(conn_id)


class Endpoints:
    """Remotes of one event loop, so that a thousand waiting jobs look a connection up once a minute."""

    def __init__(self) -> None:
        self._known: dict[tuple[type[AsyncApiHook], str], tuple[float, str, Endpoint]] = {}
        self._locks: dict[tuple[type[AsyncApiHook], str], asyncio.Lock] = {}

    def known(self, hook: type[AsyncApiHook], conn_id: str) -> Endpoint | None:
        """The remote, when its connection has been looked up within the last minute."""
        known = self._known.get((hook, conn_id))
        return known[2] if known and time.monotonic() < known[0] else None

    async def get(self, hook: type[AsyncApiHook], conn_id: str) -> Endpoint:
        """
        The remote, its connection looked up unless that has been done meanwhile.

        Airflow says "not found" also when a secrets backend does not answer. So a look-up that fails ends no
        wait: the remote that is known goes on serving, and where there is none yet, the wait asks again.

        :raises TransientError: the connection could not be looked up, now or before
        """
        key = (hook, conn_id)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if (endpoint := self.known(hook, conn_id)) is not None:
                return endpoint
            known = self._known.get(key)
            try:
                conn = await _connection(hook, conn_id)
            except Exception as e:  # what it may be is the secrets backend's business
                failure = f"The connection {conn_id!r} could not be looked up ({type(e).__name__})"
                if known is None:
                    raise TransientError(
                        f"{failure}: it does not exist, or Airflow's secrets backend does not answer.",
                        sent=False,
                    ) from e
                log.warning("%s; it is used as it was.", failure)
                self._known[key] = (time.monotonic() + LOOK_UP_AGAIN, known[1], known[2])
                return known[2]
            fields = (conn.host, conn.port, conn.schema, conn.login, conn.password, conn.extra)
            fingerprint = hashlib.sha256(repr(fields).encode()).hexdigest()
            # An unchanged connection keeps its remote, and with it the token it has fetched.
            endpoint = known[2] if known and known[1] == fingerprint else hook.endpoint_from(conn)
            self._known[key] = (time.monotonic() + CONNECTION_LIFE, fingerprint, endpoint)
            return endpoint


_endpoints: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Endpoints] = weakref.WeakKeyDictionary()


def endpoints_of_loop() -> Endpoints:
    """The remotes of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _endpoints.get(loop)
    if found is None:
        found = _endpoints[loop] = Endpoints()
    return found
