# SPDX-License-Identifier: Apache-2.0
"""
Whether callbacks can be taken at all: what they need of Airflow's internals, compared with what is there.

The receiver compares once, before its first request, and says what it found in its log and at
``/async-provider/health``. A task asks there before it asks a remote system for a callback.
"""

from __future__ import annotations

import logging
from importlib import import_module
from inspect import signature
from typing import Any

from airflow_async_provider import _settings as settings
from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks.address import HEALTH, PREFIX
from airflow_async_provider._callbacks.airflow_internals import AIRFLOW, HAS_ATTEMPTS

log = logging.getLogger(__name__)

#: A task waits so long for the API server's answer (seconds).
MAX_ASK = 3.0

#: Value of ``callbacks`` in the answer of the receiver's health address.
SUPPORTED, UNSUPPORTED, UNKNOWN = "supported", "unsupported", "unknown"

#: What is needed of Airflow in the API server, by path: attributes of a class, parameters of a function.
_NEEDED: dict[str, tuple[str, ...]] = {
    "airflow.utils.session.create_session": ("scoped",),
    "airflow.models.taskinstance.TaskInstance": (
        *("id", "dag_id", "run_id", "task_id", "map_index", "state", "trigger", "dag_run", "updated_at"),
        *(("region_id", "region_index", "working_set") if HAS_ATTEMPTS else ()),
    ),
    "airflow.models.trigger.Trigger": ("classpath", "created_date"),
    "airflow.models.trigger.handle_event_submit": ("event", "task_instance", "session"),
    "airflow.triggers.base.TriggerEvent": ("__init__",),
    "airflow.models.connection.Connection.get_connection_from_secrets": (
        "conn_id",
        *(("team_name",) if AIRFLOW >= (3, 2) else ()),
    ),
    "airflow.models.dag.DagModel.get_team_name": ("dag_id",),
    **(
        {
            "airflow.models.xcom.XComModel.set_for_attempt": (
                *("task_instance_id", "key", "value", "serialize", "session"),
            ),
            "airflow.models.xcom.XComModel.get_many": ("run_id", "key", "producer_ids"),
            "airflow.models.dynamic_region.public_region_filter": ("dag_ids", "run_ids", "task_ids"),
        }
        if HAS_ATTEMPTS
        else {
            "airflow.models.xcom.XComModel": (
                *("dag_run_id", "dag_id", "run_id", "task_id", "map_index", "key", "value", "__tablename__"),
            )
        }
    ),
    **(
        {
            "airflow.state.TaskScope.__init__": ("dag_id", "run_id", "task_id", "map_index"),
            "airflow.state.get_state_backend": (),
        }
        if AIRFLOW >= (3, 3)
        else {}
    ),
}


def missing() -> list[str]:
    """
    What callbacks need of the code of this Airflow and do not find, in words; empty where all is there.

    Imports Airflow's models, which takes seconds the first time: for the API server.
    """
    return [text for path, names in _NEEDED.items() if (text := _lacks(path, names))]


def _lacks(path: str, names: tuple[str, ...]) -> str:
    parts = path.split(".")
    depth = next(n for n, part in enumerate(parts) if part[:1].isupper() or n == len(parts) - 1)
    try:
        found: Any = import_module(".".join(parts[:depth]))
        for part in parts[depth:]:
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return f"{path} does not exist"
    if isinstance(found, type):
        absent = [name for name in names if not hasattr(found, name)]
    else:
        known = signature(found).parameters
        absent = [name for name in names if name not in known]
    return f"{path} lacks {', '.join(absent)}" if absent else ""


def unsupported_reason() -> str | None:
    """
    Why callbacks cannot be taken in this deployment, in words for a log line or an error; None if they can.

    For workers, before a job is submitted whose callback is wanted: where this returns a reason, poll; where
    the callback is the only news of the job, fail before submitting. None means that nothing speaks against
    callbacks, also where callbacks are the only way: polling is the safety net then, as it always is.

    Two things are looked at:

    * this process's Airflow, if airflow-core is installed here and its release is newer than those that this
      package was tested on. Only then are Airflow's models imported, which takes a second or two;
    * the receiver in the API server, which has compared for itself: one GET of at most :data:`MAX_ASK`
      seconds (mostly a few milliseconds) to ``/async-provider/health`` beside
      ``[core] execution_api_server_url``, else below ``[api] base_url``. Where neither is set, and when no
      answer of the receiver comes, nothing is concluded.

    Never raises. Asks anew with each call: call it once for a submission.
    """
    if internals.TESTED[1] < AIRFLOW and internals.is_core_installed() and (found := missing()):
        return _as_reason(found)
    base = settings.execution_api_server_url() or settings.api_base_url()
    return _reason_of_receiver(base) if base else None


def _reason_of_receiver(base: str) -> str | None:
    import requests

    url = base.rstrip("/").removesuffix("/execution") + PREFIX + HEALTH
    try:
        answer = requests.get(url, timeout=MAX_ASK, allow_redirects=False).json()
    except (requests.RequestException, ValueError) as e:
        log.debug("The callback receiver's health is unknown: %s", type(e).__name__)
        return None
    if not isinstance(answer, dict) or answer.get("callbacks") != UNSUPPORTED:
        return None
    return str(answer.get("reason") or "the API server cannot take callbacks")[:1000]


def receiver_reason() -> str | None:
    """
    Why the receiver in this process, the API server, cannot take callbacks; None if it can.

    :raises Exception: the database cannot be asked now, see
        :func:`~airflow_async_provider._callbacks.airflow_internals.is_store_down`
    """
    found = missing()
    if not found:
        with internals.transaction() as session:
            found = internals.unwritable(session)
    return _as_reason(found) if found else None


def _as_reason(found: list[str]) -> str:
    release = ".".join(map(str, AIRFLOW))
    return f"this package does not fit Airflow {release} in the API server: {'; '.join(found)}"
