# SPDX-License-Identifier: Apache-2.0
"""What Airflow's lists show of a job from the moment that it is known, before its task defers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from airflow_async_provider._callbacks.mailbox import show_map_index
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.protocols._job import JobHandle

#: Key of the XCom.
JOB_KEY = "remote_job"

#: A name in the list of mapped tasks that no template has asked for: the one that is set already.
AS_IT_IS = "{{ ti.rendered_map_index }}"

#: Airflow's own bound for such a name is 250 characters.
MAX_NAME = 200


def facts_of(hook: AsyncApiHook, handle: JobHandle) -> dict[str, Any]:
    """
    The job for a person, without secrets.

    :return: ``job_id`` as the remote knows it, ``label``, ``url`` to look at it, ``system``, ``conn_id``
    """
    try:
        url = hook.job_url(handle) or hook.job_address(handle)
    except AsyncJobError:  # the connection leads elsewhere now
        url = ""
    return {
        "job_id": handle.shown_id,
        "label": str(handle.data.get("label") or ""),
        "url": url,
        "system": handle.protocol,
        "conn_id": handle.conn_id or hook.conn_id,
    }


def show(context: Mapping[str, Any], facts: Mapping[str, Any], log: Any, *, push: bool) -> None:
    """
    Put the job into XCom, and its label where a mapped task has no name of its own.

    :param push: False where the XCom is there already
    """
    ti = context.get("ti")
    name = str(facts["label"] or facts["job_id"])[:MAX_NAME]
    if getattr(ti, "map_index", -1) >= 0 and context.get("map_index_template") is None:
        ti.rendered_map_index = name  # type: ignore[union-attr] # it has a map index, so it is one
        if isinstance(context, dict):
            context["map_index_template"] = AS_IT_IS
        with suppress(Exception):  # a name is worth no trouble; older ones show it at the end
            show_map_index(name)
    if not push or not hasattr(ti, "xcom_push"):
        return
    try:
        ti.xcom_push(key=JOB_KEY, value=dict(facts))  # type: ignore[union-attr] # it has that method
    except Exception as e:  # noqa: BLE001 - the job runs, and is worth more than what is shown of it
        log.warning("The job could not be put into XCom (%s).", type(e).__name__)
