# SPDX-License-Identifier: Apache-2.0
"""Reading and checking the arguments of operators, when the DAG is parsed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from airflow.sdk.definitions.param import ParamsDict

from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider.errors import ConfigurationError

#: More than this (seconds, about 30 years) is a mistake, such as milliseconds; JSON knows no infinity.
MAX_TIME = 1e9

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


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


def seconds(value: Any, name: str, *, zero: bool = True) -> float:
    """
    A time argument as seconds.

    :param value: seconds, or a timedelta
    :param zero: whether 0 makes sense
    :raises ConfigurationError: it is no such time
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    good = not isinstance(number, bool) and isinstance(number, int | float) and 0 <= number < MAX_TIME
    if not good or (number == 0 and not zero):
        kind = "a number of seconds" if zero else "more than 0 seconds (a number)"
        raise ConfigurationError(f"{name} must be {kind} or a timedelta, not {value!r}.")
    return float(number)


def one_of(value: Any, name: str, known: Iterable[str]) -> Any:
    """
    A word argument, checked when the DAG is parsed.

    :raises ConfigurationError: it is none of the known words; names the nearest one
    """
    words = tuple(known)
    if value in words:
        return value
    raise ConfigurationError(
        f"{name} must be one of {', '.join(map(repr, words))}, not {value!r}.{nearest(str(value), words)}"
    )


def method_of(value: str) -> str:
    """
    An HTTP method argument; a template is taken as it is.

    :raises ConfigurationError: it is none
    """
    return value if "{{" in value else str(one_of(value.upper(), "method", METHODS))


def nearest(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'?``, or nothing where no known word is near."""
    found = get_close_matches(word, tuple(known), n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else ""


def refuse_unknown(cls: type[Any], given: Iterable[str], *, without: Iterable[str] = ()) -> None:
    """
    Refuse arguments that no class of an operator takes, with the nearest word that one does.

    :param without: arguments of a base class that this operator has no use for
    :raises ConfigurationError: there is one
    """
    takes: set[str] = set()
    for base in cls.__mro__:
        if init := vars(base).get("__init__"):
            named = inspect.signature(inspect.unwrap(init)).parameters.values()
            takes |= {p.name for p in named if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    takes -= set(without)
    for name in given:
        if name not in takes and not name.startswith("_"):
            raise ConfigurationError(
                f"{cls.__name__} takes no argument {name!r}.{nearest(name, sorted(takes))}"
            )


def with_retry_policy(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a task, with the retry policy that ``[async_provider] retry_policy`` gives to all."""
    from airflow_async_provider._settings import retry_policy
    from airflow_async_provider.retry_policy import RemoteJobRetryPolicy, is_available

    if arguments.get("retry_policy") is None and is_available() and retry_policy():
        return {**arguments, "retry_policy": RemoteJobRetryPolicy()}
    return dict(arguments)


def store_options_of(given: Mapping[str, Any]) -> StoreOptions:
    """
    How a result is stored, from the arguments that all operators with a destination have.

    Each of them lists the arguments in its own signature: editors complete them there, ``partial()`` and the
    reference read them there. Those that are templated are also the task's attributes.

    :param given: ``locals()`` of the operator's ``__init__``
    :raises ConfigurationError: one of them cannot be, or does not fit the destination
    """
    options = StoreOptions(**{field.name: given[field.name] for field in fields(StoreOptions)})
    options.check(given["destination"])
    return options


def one_connection(conn_id: str | None, http_conn_id: str | None, default: str) -> str:
    """
    The connection of a task that takes it under either name.

    :raises ConfigurationError: two different ones
    """
    if conn_id is not None and http_conn_id is not None and conn_id != http_conn_id:
        raise ConfigurationError(
            f"conn_id={conn_id!r} and http_conn_id={http_conn_id!r} are two names for one "
            "thing: give one of them."
        )
    return conn_id or http_conn_id or default
