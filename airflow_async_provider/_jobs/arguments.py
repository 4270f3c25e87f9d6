# SPDX-License-Identifier: Apache-2.0
"""Reading arguments that Airflow has touched before the operator sees them, and telling them apart later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from airflow.sdk.definitions.param import ParamsDict


def query_of(params: Mapping[str, Any] | None, dag: Any = None) -> dict[str, Any]:
    """
    The query parameters that were given to a task as ``params``.

    ``params`` is also Airflow's own word: before an operator's ``__init__`` runs, Airflow merges the DAG's
    params into the task's. What the DAG brings is for templates and must not reach a remote, so only what the
    task itself was given counts. Airflow marks that (``source``); where it does not (3.1), and in
    mapped params, which keep the mark of what they override, an entry that equals the DAG's is taken for
    the DAG's.

    :param params: the merged params
    :param dag: the task's DAG
    """
    if not params:
        return {}
    if not isinstance(params, ParamsDict):
        return dict(params)
    # Not their items: one without a value is no error before somebody asks for it.
    of_dag = dag.params.dump() if dag is not None else {}
    query, values = {}, params.dump()
    for name in params:
        own = getattr(params.get_param(name), "source", None) == "task"
        if own or name not in of_dag or of_dag[name] != values[name]:
            query[name] = params[name]
    return query


def digest_of(arguments: Mapping[str, Any]) -> str:
    """
    A short digest of arguments, to tell later whether they have changed.

    What has no constant ``repr`` of its own, which is nothing that could be sent, counts as changed.
    """
    return hashlib.sha256(repr(dict(arguments)).encode("utf-8", "backslashreplace")).hexdigest()[:16]
