# SPDX-License-Identifier: Apache-2.0
"""The signature of a callback to a task: checked with the key of the task's connection, in the API server."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks.registration import Registration
from airflow_async_provider.errors import CallbackError, ConfigurationError
from airflow_async_provider.hooks._registry import GENERIC, HOOKS
from airflow_async_provider.protocols._http_messages import Headers
from airflow_async_provider.protocols._signature_forms import scheme_from

log = logging.getLogger(__name__)

#: Signature keys are looked up once a minute and connection,
KEY_MAX_AGE = 60.0

#: and again at once, but not more often than this, when a signature does not fit: the key may be a new one.
KEY_MIN_AGE = 5.0


class KeyMissingError(CallbackError):
    """The connection with the signature key cannot be had at the moment."""


def fits(registration: Registration, dag_id: str, headers: Headers, body: bytes) -> bool:
    """
    Whether the body carries the signature that the connection's key makes, where one is wanted.

    :param registration: what the task expects
    :param dag_id: the task's DAG
    :raises KeyMissingError: the key cannot be had at the moment
    """
    if registration.signature is None:
        return True
    try:
        scheme = scheme_from(registration.signature)
        for max_age in (KEY_MAX_AGE, KEY_MIN_AGE):
            keys, fresh = _keys.get(registration, dag_id, max_age)
            if scheme.verify_any(keys, headers, body, now=time.time()):
                return True
            if fresh:
                break
    except ConfigurationError as e:
        log.warning("The signature of a callback cannot be checked: %s", e)
    return False


class _Keys:
    """Signature keys by hook, connection and the DAG's team, looked up once a minute."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str | None], tuple[float, list[str]]] = {}
        self._lock = threading.Lock()

    def get(self, registration: Registration, dag_id: str, max_age: float) -> tuple[list[str], bool]:
        """
        The keys, and whether they were looked up just now.

        :param dag_id: the task's DAG: a team's DAG has the team's connections
        :param max_age: seconds for which keys that are known already will do
        :raises KeyMissingError: the connection cannot be had
        """
        hook, conn_id = registration.hook, registration.conn_id
        if not hook or not conn_id:
            return [], True
        team = internals.team_of(dag_id)
        with self._lock:
            known = self._known.get((hook, conn_id, team))
            if known and time.monotonic() < known[0] + max_age:
                return known[1], False
        hook_class = _hook_class(hook)
        connection = internals.connection_of(conn_id, team)
        if connection is None:
            raise KeyMissingError(f"the connection {conn_id!r} with the signature key was not found")
        keys: list[str] = hook_class.signature_keys(connection)
        with self._lock:
            self._known[hook, conn_id, team] = (time.monotonic(), keys)
        return keys, True


def _hook_class(path: str) -> Any:
    """
    The hook that knows where in its connection the signature key is.

    The path comes from an XCom, which DAG authors can write, and this runs in the API server, where their
    code has no business: only our own hooks are imported.
    """
    from importlib import import_module

    if path not in {*HOOKS.values(), GENERIC}:
        raise ConfigurationError(f"{path!r} is not a hook of this package")
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


_keys = _Keys()
