# SPDX-License-Identifier: Apache-2.0
"""The button *Test* of a connection: what works, or what of it does not, in a person's words."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from airflow_async_provider._transport.failures import chain_of, is_untrusted
from airflow_async_provider.errors import (
    AsyncJobError,
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    TransientError,
)


def checked(probe: Callable[[], str], *, conn_id: str) -> tuple[bool, str]:
    """
    Run a check as Airflow's connection test wants it.

    :param probe: asks the remote for something without effect; returns what to say when that works, and
        raises otherwise
    :param conn_id: name of the connection; Airflow makes one up for each press of the button, so it is left
        out of the message: the user who presses it has the form on screen
    """
    try:
        passed, sentence = True, probe()
    except AsyncJobError as e:
        passed, sentence = False, explain(e)
    return passed, sentence.replace(f" {conn_id!r}", "")


def explain(error: AsyncJobError) -> str:
    """
    What has to be looked at, then the message.

    It begins with ``Setting``, ``Address``, ``TLS``, ``Credentials``, ``Rights`` or ``Answer``.
    """
    if isinstance(error, ConfigurationError):
        return f"Setting: {error}"
    if isinstance(error, AuthenticationError):
        return f"Credentials: {error}"
    if isinstance(error, AuthorizationError):
        return f"Rights: {error}"
    sentence = str(error) if str(error).endswith((".", "?")) else f"{error}."
    # The transport hides what its libraries raise, as their texts hold URLs; here only the kind is looked at.
    if is_untrusted(error):
        return f"TLS: {sentence} To trust the certificate, set verify to the path of a CA file that knows it."
    if any(isinstance(reason, ssl.SSLError) for reason in chain_of(error)):
        return f"TLS: {sentence} Does the remote speak TLS at this port?"
    if isinstance(error, TransientError) and error.http_status is None:
        return (
            f"Address: {sentence} Check scheme, host, port and proxy. The button asks from the API server, "
            "which may see another network than the workers and the triggerer."
        )
    return f"Answer: {error}"
