# SPDX-License-Identifier: Apache-2.0
"""The shape of the description of a remote system, and the pieces of connection forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PACKAGE = "airflow_async_provider"

#: Module -> class -> a sentence about it.
Classes = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """
    All that is announced about one remote system: every registry is fed from here.

    Airflow's provider manager, the provider registry's file, the connection forms, the protocols and hooks by
    the name in a job handle, and the simulators of the command line.

    :param name: name of the integration
    :param url: the vendor's documentation
    :param tags: the integration's tags
    :param operators: modules of ``operators``, each with its public classes and a sentence about each;
        ``sensors``, ``hooks``, ``triggers`` and ``transfers`` likewise
    :param targets: the integration that a module of ``transfers`` writes to
    :param links: classes of extra links, below the package
    :param protocols: name in the job handle -> class, below ``protocols``
    :param hook: class of the hook that watches jobs of these protocols, below ``hooks``
    :param simulators: name of the sub-command -> class, below ``simulators``
    :param decorators: name behind ``@task.`` -> function, below ``decorators``
    :param connection: its connection type; None when it lives on a connection type of another provider
    """

    name: str
    url: str
    tags: tuple[str, ...] = ("service",)
    operators: Classes = field(default_factory=dict)
    sensors: Classes = field(default_factory=dict)
    hooks: Classes = field(default_factory=dict)
    triggers: Classes = field(default_factory=dict)
    transfers: Classes = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    protocols: Mapping[str, str] = field(default_factory=dict)
    hook: str = ""
    simulators: Mapping[str, str] = field(default_factory=dict)
    decorators: Mapping[str, str] = field(default_factory=dict)
    connection: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        # Documentation and errors call a field of the extra by its name, so its form does, too.
        for name, of_form in (self.connection or {}).get("conn-fields", {}).items():
            of_form["label"] = f"{of_form['label']} ({name})"


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


_RESULT_HOSTS = text(
    "Hosts of results",
    "The only other hosts (host or host:port, separated by commas) that results are fetched from.",
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
        **({"result_verify": _RESULT_VERIFY, "result_hosts": _RESULT_HOSTS} if results else {}),
        "cert": text("Client certificate", "Path of a PEM file on the workers and the triggerer."),
        "cert_key": text("Key of it", "Path of its key, when that is not in the same file."),
        "proxy": text(
            "Proxy", "URL of an HTTP proxy. Empty: as the environment says (HTTPS_PROXY, NO_PROXY)."
        ),
        "timeout": number("Timeout", "Seconds for one request; 30 when empty. Not the deadline of a job."),
    }


def job_url() -> dict[str, Any]:
    """Where a person looks at a job."""
    return {
        "job_url": text(
            "Address of a job",
            "In the remote's own web interface, with {job_id}: a button on the task's page.",
        )
    }


def allowed_hosts() -> dict[str, Any]:
    """Where the credentials may go besides the connection's own host."""
    return {
        "allowed_hosts": text(
            "Allowed hosts",
            "Further hosts (host or host:port, separated by commas) that may get the credentials.",
        )
    }
