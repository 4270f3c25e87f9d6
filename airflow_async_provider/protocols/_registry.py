# SPDX-License-Identifier: Apache-2.0
"""From the name in a job handle to the protocol: built-in names, or the dotted path of a user's own class."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from airflow_async_provider._metadata import PACKAGE, SYSTEMS
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._job import JobHandle

PROTOCOLS: Mapping[str, str] = {
    name: f"{PACKAGE}.protocols.{path}" for system in SYSTEMS for name, path in system.protocols.items()
}


def protocol_class(name: str) -> type[JobProtocol]:
    """
    The class behind a name.

    :param name: a built-in name, or ``package.module.Class``
    :raises ConfigurationError: no such name, or no protocol
    """
    path = PROTOCOLS.get(name, name)
    module, _, attribute = path.rpartition(".")
    try:
        found = getattr(import_module(module), attribute) if module else None
    except (ImportError, AttributeError, TypeError, ValueError) as e:  # "." and ".." are no module names
        raise ConfigurationError(f"The protocol {name!r} cannot be imported: {e}") from e
    if not (isinstance(found, type) and issubclass(found, JobProtocol)):
        raise ConfigurationError(
            f"{name!r} is neither a built-in protocol ({', '.join(sorted(PROTOCOLS))}) nor the dotted path "
            f"of a {JobProtocol.__qualname__} class."
        )
    return found


def protocol_for(name: str, options: Mapping[str, Any]) -> JobProtocol:
    """
    The protocol with its options.

    :raises ConfigurationError: unknown name, or options that it does not take
    """
    cls = protocol_class(name)
    try:
        return cls(**options)
    except TypeError as e:
        raise ConfigurationError(f"The protocol {name!r} does not take these options: {e}") from e


def protocol_of(handle: JobHandle) -> JobProtocol:
    """
    The protocol that a handle was made by.

    A handle is data, often out of an XCom, which more people may write than DAG files: nothing is imported
    because of one. A class of one's own has been imported by the DAG file, or by the operator's ``profile``.

    :raises ConfigurationError: it names a class whose module is not imported here
    """
    if handle.protocol not in PROTOCOLS and handle.protocol.rpartition(".")[0] not in sys.modules:
        raise ConfigurationError(
            f"The job handle {handle.shown_id} names the protocol {handle.protocol!r}, which is none of this "
            "package, and whose module is not imported in this process. Nothing is imported because a handle "
            "says so: import the class in the DAG file.",
            job=handle.shown_id,
        )
    return protocol_for(handle.protocol, handle.options)
