# SPDX-License-Identifier: Apache-2.0
"""From the arguments of the generic operator and sensor to a profile and a request."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.submission import IDEMPOTENT_METHODS
from airflow_async_provider.protocols._registry import PROTOCOLS, protocol_class, protocol_for

#: Short names of the profiles, as DAG authors write them.
PROFILES: Mapping[str, str] = {
    name.removeprefix("http_"): name for name in PROTOCOLS if name.startswith("http_")
}

#: What keys are derived from; any fixed UUID would do.
_NAMESPACE = uuid.UUID("5a1b6f0e-3f0c-5d0b-9a53-6f6c1d1a7c11")


def profile_name(profile: str) -> str:
    """
    The registered name of a profile.

    :param profile: ``location``, ``azure``, ``google``, ``odata``, ``status_field``, or the dotted path of a
        user's own protocol class
    :raises ConfigurationError: neither
    """
    if profile not in PROFILES and "." not in profile:
        raise ConfigurationError(
            f"{profile!r} is no profile: choose one of {', '.join(sorted(PROFILES))}, or give the "
            "dotted path of your own protocol class."
        )
    return PROFILES.get(profile, profile)


def profile_of(profile: str, options: Mapping[str, Any] | None) -> JobProtocol:
    """
    The profile with its options.

    :raises ConfigurationError: unknown name, or options that it does not take
    """
    name = profile_name(profile)
    cls = protocol_class(name)
    if issubclass(cls, HttpProfile):
        return cls.from_options(options or {})
    return protocol_for(name, options or {})


def is_generic(profile: str) -> bool:
    """Whether a profile is one of ours or built on one, so that it has all the common options."""
    return issubclass(protocol_class(profile_name(profile)), HttpProfile)


def cancel_option(cancel: str | Literal[False] | None) -> dict[str, Any]:
    """
    The argument ``cancel`` as a profile's option.

    :param cancel: None leaves it to the profile, False never cancels
    """
    if cancel is None:
        return {}
    return {"cancel_by": None if cancel is False else cancel}


def body_of(data: Any, headers: Mapping[str, str]) -> tuple[bytes | None, dict[str, str]]:
    """
    A raw body and the headers that go with it.

    :param data: a dictionary becomes a form, text becomes UTF-8
    :raises ConfigurationError: something else
    """
    sent = dict(headers)
    if data is None:
        return None, sent
    if isinstance(data, Mapping):
        if not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        return urlencode(data, doseq=True).encode(), sent
    if isinstance(data, str):
        return data.encode(), sent
    if isinstance(data, bytes):
        return data, sent
    raise ConfigurationError(f"data must be text, bytes or a dictionary, not {type(data).__name__}.")


def is_repeatable(method: str, *, idempotency_key: Any, repeatable: bool | None) -> bool:
    """Whether starting the job twice does no harm."""
    if repeatable is not None:
        return repeatable
    return method.upper() in IDEMPOTENT_METHODS or bool(idempotency_key)


def key_for(context: Mapping[str, Any], correlation_id: str) -> str:
    """
    The idempotency key of a task's job: the same on every try, another one after a person has cleared it.

    :param correlation_id: our name for the job, which lives as long as the task's memory (Airflow >= 3.3).
        Without that memory the key follows from the task instance alone
    """
    ti = context.get("ti")
    # Clearing a task raises max_tries, a retry does not.
    wishes = getattr(ti, "max_tries", None)
    if context.get("task_state_store") is not None:
        identity = f"{correlation_id}/{wishes}"
    else:
        parts = (getattr(ti, name, None) for name in ("dag_id", "run_id", "task_id", "map_index"))
        identity = "/".join(map(str, (*parts, wishes)))
    return str(uuid.uuid5(_NAMESPACE, identity))
