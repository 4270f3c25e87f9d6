# SPDX-License-Identifier: Apache-2.0
"""From the arguments of RemoteJobOperator to what its protocol and its callbacks need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from airflow_async_provider._callbacks.registration import MAX_PARTIES
from airflow_async_provider._jobs.arguments import seconds
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._descriptions import Profile, profile_of
from airflow_async_provider.hooks._remote_job import RemoteJob
from airflow_async_provider.operators._http_arguments import cancel_option, is_generic, profile_name
from airflow_async_provider.protocols._registry import PROTOCOLS
from airflow_async_provider.protocols._remote_job import STATES

#: How a job is cancelled: a function, a request, or never.
Cancel = Callable[[RemoteJob], Any] | str | Literal[False] | None

#: Each look for a sign of life crosses to the database (seconds).
MIN_HEARTBEAT_TIMEOUT = 10.0

DEFAULT_OPTIONS = {"Confirm": "succeeded", "Decline": "failed"}
MAX_OPTIONS = 10


def described(
    profile: Profile | None, options: Mapping[str, Any] | None, cancel: Cancel
) -> dict[str, Any] | None:
    """
    Name and options of the protocol that asks for the job and cancels it by HTTP; None where nothing does.

    :raises ConfigurationError: what is described cannot be understood, or is a class of one's own
    """
    request = None if callable(cancel) else cancel
    if profile is None:
        if options:
            raise ConfigurationError("profile_options belong to a profile.")
        if not request:
            return None
        if request == "delete" or "{status_url}" in request:
            raise ConfigurationError(
                f"cancel={request!r} needs a status URL, which only a profile has: name the job by "
                f"{{job_id}}."
            )
        made = profile_of({"cancel": request, "poll": "GET {job_id}"})
        return {"name": "http_api", "options": made.options(), "polls": False}
    name = profile_name(profile) if is_generic(profile) else ""
    if name not in PROTOCOLS:
        raise ConfigurationError(
            "profile must be a description: a name, a file, or a dictionary. A protocol class of your own "
            "brings its own start; use HttpAsyncJobOperator."
        )
    made = profile_of(profile, {**(options or {}), **cancel_option(request)})
    return {"name": name, "options": made.options()}


def check_heartbeat(value: float | timedelta | None, *, callback: bool) -> float | None:
    """
    The argument ``heartbeat_timeout`` in seconds.

    :raises ConfigurationError: it is too short, or there is nobody to send one
    """
    if value is None:
        return None
    if not callback:
        raise ConfigurationError(
            "heartbeat_timeout makes no sense with callback=False: nobody sends a heartbeat."
        )
    number = seconds(value, "heartbeat_timeout")
    if number < MIN_HEARTBEAT_TIMEOUT:
        raise ConfigurationError(f"heartbeat_timeout must be at least {MIN_HEARTBEAT_TIMEOUT:g} seconds.")
    return number


def parties_of(
    callbacks: Sequence[str] | int | None, wait_for: Literal["all", "any"] | int
) -> tuple[tuple[str, ...], int]:
    """
    Names of those who call back one by one, and how many of them are needed.

    :return: no names where there is one callback
    :raises ConfigurationError: too many, names twice, or more needed than there are
    """
    if callbacks is None:
        if wait_for != "all":
            raise ConfigurationError("wait_for belongs to callbacks: names of parties, or their number.")
        return (), 0
    if isinstance(callbacks, str):
        raise ConfigurationError("callbacks is a list of names, or a number.")
    names = tuple(map(str, range(1, callbacks + 1) if isinstance(callbacks, int) else callbacks))
    if not 1 <= len(names) <= MAX_PARTIES or len(set(names)) != len(names) or not all(names):
        raise ConfigurationError(f"callbacks must be 1 to {MAX_PARTIES} different names, or such a number.")
    needed = {"all": len(names), "any": 1}.get(wait_for, wait_for) if isinstance(wait_for, str) else wait_for
    if not isinstance(needed, int) or isinstance(needed, bool) or not 1 <= needed <= len(names):
        raise ConfigurationError(f"wait_for must be 'all', 'any', or a number from 1 to {len(names)}.")
    return names, needed


def asked_page(confirm: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """
    What the confirm page asks.

    :raises ConfigurationError: an answer that means nothing, or none that could be given
    """
    if not confirm:
        return None
    asked = {"subject": confirm} if isinstance(confirm, str) else dict(confirm)
    unknown = sorted(set(asked) - {"subject", "body", "options"})
    if unknown:
        raise ConfigurationError(f"confirm has no {unknown[0]!r}: it takes subject, body and options.")
    options = asked.get("options") or DEFAULT_OPTIONS
    words = {word for word in STATES if word != "running"}
    if not isinstance(options, Mapping) or not 1 <= len(options) <= MAX_OPTIONS:
        raise ConfigurationError(f"confirm.options is a dictionary of 1 to {MAX_OPTIONS} answers.")
    for label, word in options.items():
        if word not in words:
            raise ConfigurationError(
                f"confirm.options: {label!r} must mean one of {', '.join(sorted(words))}, not {word!r}."
            )
    if not str(asked.get("subject") or "").strip():
        raise ConfigurationError("confirm needs a subject: the question.")
    return {
        "subject": str(asked["subject"])[:500],
        "body": str(asked.get("body") or "")[:5000],
        "options": {str(label)[:80]: str(word) for label, word in options.items()},
    }
