# SPDX-License-Identifier: Apache-2.0
"""``push-sources`` and ``deliveries``: where Airflow's database can be reached, as on the API server."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_async_provider import _settings as settings
from airflow_async_provider._callbacks import airflow_assets as assets
from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import deliveries as record
from airflow_async_provider._callbacks.address import CallbackAddress, hash_of, new_source_address
from airflow_async_provider._callbacks.pushing import MAX_ADDRESSES
from airflow_async_provider._callbacks.sources import CONNECTION_PREFIX, Source
from airflow_async_provider._cli.arguments import scheme, secret
from airflow_async_provider._cli.jobs import echo, show
from airflow_async_provider.errors import AsyncJobError, ConfigurationError

DONE, REFUSED = 0, 1


def run_push(arguments: Namespace) -> int:
    """
    Run one command of ``push-sources`` and write what it says to the standard output.

    :return: the exit code
    """
    commands: dict[str, Callable[[Namespace], int]] = {
        "add": add,
        "list": list_sources,
        "check": check,
        "rotate": rotate,
        "remove": remove,
        "deliveries": deliveries,
    }
    try:
        return commands[arguments.action](arguments)
    except (AsyncJobError, ArgumentTypeError) as e:
        echo(f"error: {e}")
        return REFUSED


def add(arguments: Namespace) -> int:
    """Make a source."""
    address = new_source_address(_base_url(arguments), arguments.name)
    given = {"max_bytes": arguments.max_bytes, "per_minute": arguments.per_minute}
    source = Source(
        name=arguments.name,
        assets=tuple(arguments.asset),
        signature=scheme(arguments.signature) if arguments.signature else None,
        keys=(secret(arguments.key),) if arguments.key else (),
        when=tuple(arguments.when),
        payload=dict(arguments.payload),
        delivery_id=arguments.delivery_id,
        team=arguments.team or None,
        **{name: value for name, value in given.items() if value is not None},
    ).with_address(hash_of(address.secret), time.time(), 0)
    if source.team and not assets.HAS_TEAMS:
        raise ConfigurationError("Events belong to teams from Airflow 3.3 on.")
    with internals.transaction() as session:
        if any(c.conn_id == source.conn_id for c in assets.connections(session, source.conn_id)):
            raise ConfigurationError(f"There is a push source {source.name!r} already: rotate or remove it.")
    _store(source)
    _echo_address(source, address)
    return DONE


def list_sources(arguments: Namespace) -> int:
    """Show all sources."""
    with internals.transaction() as session:
        found = [_described(c) for c in assets.connections(session, CONNECTION_PREFIX)]
    columns = ("name", "assets", "signature", "keys", "addresses", "team", "error")
    show(found, arguments.output, columns, width=500)
    return DONE


def check(arguments: Namespace) -> int:
    """Say what is missing."""
    source, problems = _stored(arguments.name), []
    if not source.hashes(time.time()):
        problems.append("it has no address that is good: rotate it")
    if not settings.callback_keys():
        problems.append("neither [async_provider] callback_key nor [core] fernet_key is set")
    plain = [name for name in source.assets if "{" not in name]
    with internals.transaction() as session:
        reasons = {name: assets.unstarted_reason(session, [name]) for name in plain}
    problems += [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    for problem in problems:
        echo(problem)
    echo("Deliveries start runs." if not problems else f"{len(problems)} problem(s).")
    return REFUSED if problems else DONE


def rotate(arguments: Namespace) -> int:
    """Give a source another key, or another address."""
    source = _stored(arguments.name)
    if arguments.key or arguments.drop_old_keys:
        keys = [secret(arguments.key), *source.keys] if arguments.key else list(source.keys)
        changed = replace(source, keys=tuple(keys[:1] if arguments.drop_old_keys else keys))
        _store(changed)
        echo(f"{len(changed.keys)} key(s) are good, the newest first.")
        return DONE
    address = new_source_address(_base_url(arguments), source.name)
    changed = source.with_address(hash_of(address.secret), time.time(), max(0.0, arguments.grace))
    _store(replace(changed, addresses=changed.addresses[:MAX_ADDRESSES]))
    _echo_address(changed, address)
    return DONE


def remove(arguments: Namespace) -> int:
    """Delete a source."""
    with internals.transaction() as session:
        found = assets.delete_connection(session, CONNECTION_PREFIX + arguments.name)
    echo("Removed." if found else f"error: there is no push source {arguments.name!r}")
    return DONE if found else REFUSED


def deliveries(arguments: Namespace) -> int:
    """Show the last deliveries."""
    given = {name: getattr(arguments, name) for name in ("dag_id", "task_id", "run_id", "map_index")}
    task = {name: value for name, value in given.items() if value is not None}
    source = "" if arguments.all_sources else arguments.source
    found = record.last(arguments.limit, source=source, task=task)
    about = ("source",) if source is not None else ("dag_id", "task_id", "run_id", "map_index")
    columns = ("number", "received_at", *about, "outcome", "bytes", "id", "repeated", "assets")
    show(found, arguments.output, columns, width=500)
    return DONE


# -- pieces


def _stored(name: str) -> Source:
    with internals.transaction() as session:
        for connection in assets.connections(session, CONNECTION_PREFIX + name):
            if connection.conn_id == CONNECTION_PREFIX + name:
                return Source.from_connection(connection)
    raise ConfigurationError(f"There is no push source {name!r} in the database.")


def _store(source: Source) -> None:
    if source.keys and not settings.fernet_key():
        raise ConfigurationError(
            "[core] fernet_key is empty here, so Airflow would store the key of the signature unencrypted."
        )
    with internals.transaction() as session:
        assets.put_connection(session, source.to_connection())


def _described(connection: Any) -> dict[str, Any]:
    """What may be shown of a source."""
    name = connection.conn_id.removeprefix(CONNECTION_PREFIX)
    try:
        source = Source.from_connection(connection)
    except ConfigurationError as e:
        return {"name": name, "error": str(e)}
    return {
        "name": name,
        "assets": list(source.assets),
        "signature": source.form or ("own" if source.signature else "none"),
        "keys": len(source.keys),
        "addresses": [_moment(a.until) if a.until else "good" for a in source.addresses],
        "team": source.team,
    }


def _moment(seconds: float) -> str:
    return "until " + datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _base_url(arguments: Namespace) -> str:
    found = arguments.base_url or settings.callback_base_url() or settings.api_base_url()
    if not found:
        raise ConfigurationError("Nothing says where the sender reaches the API server: give --base-url.")
    return str(found)


def _echo_address(source: Source, address: CallbackAddress) -> None:
    echo(f"The address of {source.name}, which is shown this once:")
    echo("")
    echo(f"  {address.url_with_secret}")
    echo("")
    echo(f"or, for senders that set headers, {address.url}")
    echo(f"with the header  Authorization: {address.authorization}")
