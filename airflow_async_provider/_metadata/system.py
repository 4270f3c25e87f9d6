# SPDX-License-Identifier: Apache-2.0
"""The shape of what is said about a remote system, and the pieces of connection forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PACKAGE = "airflow_async_provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """
    What Airflow's provider manager learns about one remote system.

    :param name: name of the integration
    :param url: the vendor's documentation
    :param tags: the integration's tags
    :param operators: modules of ``operators``; ``sensors``, ``hooks`` and ``triggers`` likewise
    :param transfers: modules of ``transfers``, each with the integration that it writes to
    :param links: classes of extra links, below the package
    :param connection: its connection type; None when it lives on a connection type of another provider
    """

    name: str
    url: str
    tags: tuple[str, ...] = ("service",)
    operators: tuple[str, ...] = ()
    sensors: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    transfers: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    connection: Mapping[str, Any] | None = None


def text(label: str, description: str) -> dict[str, Any]:
    """A field of a connection form."""
    return _field(label, description, {"type": ["string", "null"]})


def secret(label: str, description: str) -> dict[str, Any]:
    """A field whose value the form does not show."""
    return _field(label, description, {"type": ["string", "null"], "format": "password"})


def number(label: str, description: str) -> dict[str, Any]:
    """A field for a number."""
    return _field(label, description, {"type": ["number", "null"]})


def choice(label: str, description: str, *values: str) -> dict[str, Any]:
    """A list to choose from."""
    return _field(label, description, {"type": ["string", "null"], "enum": [*values]})


def _field(label: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": schema}


_RESULT_VERIFY = text(
    "Verify TLS of results",
    "The same for result URLs on other hosts (S3). Empty: true, whatever stands above.",
)


def network_fields(*, results: bool = True) -> dict[str, Any]:
    """
    How the remote is reached: the same in all forms.

    :param results: whether the remote hands out URLs of results
    """
    return {
        "verify": text(
            "Verify TLS",
            "true (also when empty), false, or the path of a CA file on the workers and the triggerer.",
        ),
        **({"result_verify": _RESULT_VERIFY} if results else {}),
        "proxy": text(
            "Proxy", "URL of an HTTP proxy. Empty: as the environment says (HTTPS_PROXY, NO_PROXY)."
        ),
        "timeout": number("Timeout", "Seconds for one request; 30 when empty. Not the deadline of a job."),
    }


def allowed_hosts() -> dict[str, Any]:
    """Where the credentials may go besides the connection's own host."""
    return {
        "allowed_hosts": text(
            "Allowed hosts",
            "Further hosts (host or host:port, separated by commas) that may get the credentials.",
        )
    }
