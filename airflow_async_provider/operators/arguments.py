# SPDX-License-Identifier: Apache-2.0
"""Reading arguments that Airflow has touched before the operator sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def query_of(params: Mapping[str, Any] | None, dag: Any = None) -> dict[str, Any]:
    """
    The query parameters that were given to a task as ``params``.

    ``params`` is also Airflow's own word: before an operator's ``__init__`` runs, Airflow merges the DAG's
    params into the task's. What the DAG brings is for templates and must not reach a remote, so only what the
    task itself was given counts. Airflow marks it (``source``); where it does not (3.1), an entry that
    equals the DAG's is taken for the DAG's.

    :param params: the merged params
    :param dag: the task's DAG
    """
    if not params:
        return {}
    get_param = getattr(params, "get_param", None)
    if get_param is None:
        return dict(params)
    from_dag = getattr(dag, "params", None) or {}
    query = {}
    for name in params:
        source = getattr(get_param(name), "source", None)
        if source == "dag" or (source is None and name in from_dag and from_dag[name] == params[name]):
            continue
        query[name] = params[name]
    return query
