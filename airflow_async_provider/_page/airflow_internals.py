# SPDX-License-Identifier: Apache-2.0
"""
What the page uses of Airflow's own code: its tables, and who may see and do what.

Runs in the API server only. Each name has a test on each supported Airflow version (3.1 to 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_async_provider._callbacks.airflow_internals import HAS_ATTEMPTS, OUR_TRIGGERS, transaction

__all__ = ["HAS_ATTEMPTS", "OUR_TRIGGERS", "Tables", "access", "authorized_dag_ids", "tables", "transaction"]


@dataclass(frozen=True, slots=True)
class Tables:
    """
    Airflow's tables that the page reads.

    :param map_index: the column with a mapped task's index
    :param live: conditions for the live row of a task: earlier tries are rows of the same table from 3.4 on
    """

    ti: Any
    trigger: Any
    job: Any
    map_index: Any
    live: tuple[Any, ...]


def tables() -> Tables:
    """Airflow's tables, as SQLAlchemy's own objects: no row becomes an object of Airflow's."""
    from airflow.jobs.job import Job
    from airflow.models.taskinstance import TaskInstance as TI
    from airflow.models.trigger import Trigger

    ti: Any = TI.__table__
    return Tables(
        ti=ti,
        trigger=Trigger.__table__,
        job=Job.__table__,
        map_index=ti.c.region_index if HAS_ATTEMPTS else ti.c.map_index,
        live=(ti.c.working_set.is_(True),) if HAS_ATTEMPTS else (),
    )


def trigger_arguments(encrypted: str) -> dict[str, Any]:
    """The arguments of a trigger; empty where they cannot be read (another key, another version)."""
    from airflow.models.trigger import Trigger

    try:
        found = Trigger._decrypt_kwargs(encrypted)
    except Exception:  # noqa: BLE001 - whatever is wrong with one row, the others are shown
        return {}
    return dict(found)


def access(method: str) -> list[Any]:
    """
    Dependencies of a route: Airflow's own for task instances, with its own answers 401 and 403.

    The DAG is the query parameter ``dag_id``; without one the right is asked for that "all DAGs" takes in
    Airflow's own lists, which are then filtered by :func:`authorized_dag_ids`.

    :param method: ``GET`` to see a task instance, ``PUT`` to change it
    """
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends

    rule: Any = requires_access_dag(method=method, access_entity=DagAccessEntity.TASK_INSTANCE)  # type: ignore[arg-type] # one of its literals
    return [Depends(rule)]


def current_user() -> Any:
    """The dependency that gives the user of a request; it answers 401 where there is none."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends

    return Depends(get_user)


def authorized_dag_ids(user: Any) -> set[str]:
    """The DAGs that a user may read."""
    from airflow.api_fastapi.app import get_auth_manager

    found: set[str] = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    return found


def note_action(session: Any, task_instance: Any, event: str, by: str) -> None:
    """Enter what a user has done in Airflow's audit log."""
    from airflow.models.log import Log

    session.add(Log(event=event, task_instance=task_instance, owner=by, extra=None))


def may_change(user: Any, dag_id: str) -> bool:
    """Whether a user may change task instances of a DAG: what Airflow asks for marking one."""
    return _may(user, "PUT", "TASK_INSTANCE", dag_id)


def may_replay(user: Any, dag_id: str) -> bool:
    """Whether a user may edit runs of a DAG: what is asked for a replay, and for an address to test."""
    return _may(user, "PUT", "RUN", dag_id)


def may_read_log(user: Any, dag_id: str | None = None) -> bool:
    """Whether a user may read the audit log, of a DAG or of what belongs to none: deliveries lie there."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView

    # Before Airflow 3.4, users who may read the log of DAGs also read what belongs to no DAG.
    view = None if dag_id else getattr(AccessView, "AUDIT_LOGS_ALL", None)
    if view is not None:
        return bool(get_auth_manager().is_authorized_view(access_view=view, user=user))
    return _may(user, "GET", "AUDIT_LOG", dag_id)


def _may(user: Any, method: str, entity: str, dag_id: str | None) -> bool:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    return bool(
        get_auth_manager().is_authorized_dag(
            method=method,  # type: ignore[arg-type] # one of its literals
            access_entity=DagAccessEntity[entity],
            details=DagDetails(id=dag_id) if dag_id else None,
            user=user,
        )
    )


def may_make_events(user: Any) -> bool:
    """Whether a user may make events of assets: what Airflow asks for *Create asset event*."""
    from airflow.api_fastapi.app import get_auth_manager

    return bool(get_auth_manager().is_authorized_asset(method="POST", user=user))
