# SPDX-License-Identifier: Apache-2.0
"""From the name in a job handle to the protocol: built-in names, or the dotted path of a user's own class."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._job import JobHandle

_HERE = "airflow_async_provider.protocols"

PROTOCOLS: Mapping[str, str] = {
    "automic": f"{_HERE}._automic.protocol.AutomicProtocol",
    "http_api": f"{_HERE}._http.profile.HttpProfile",
    "http_azure": f"{_HERE}._http.azure.AzureProtocol",
    "http_google": f"{_HERE}._http.google.GoogleProtocol",
    "http_location": f"{_HERE}._http.location.LocationProtocol",
    "http_odata": f"{_HERE}._http.odata.ODataProtocol",
    "http_status_field": f"{_HERE}._http.status_field.StatusFieldProtocol",
    "jaggaer_aso": f"{_HERE}._jaggaer_aso.JaggaerAsoProtocol",
    "open_connectors": f"{_HERE}._open_connectors.protocol.OpenConnectorsProtocol",
    "open_connectors_bulk": f"{_HERE}._open_connectors.bulk.OpenConnectorsBulkProtocol",
    "open_connectors_queue": f"{_HERE}._open_connectors.queue.OpenConnectorsQueueProtocol",
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
    """The protocol that a handle was made by."""
    return protocol_for(handle.protocol, handle.options)
