# SPDX-License-Identifier: Apache-2.0
"""From the arguments of the generic operator and sensor to a profile and a request."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._descriptions import Profile, class_of, profile_of
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.submission import IDEMPOTENT_METHODS

#: What keys are derived from; any fixed UUID would do.
_NAMESPACE = uuid.UUID("5a1b6f0e-3f0c-5d0b-9a53-6f6c1d1a7c11")


def check_profile(profile: Any, options: Any) -> None:
    """
    Refuse what can be seen to be wrong where the DAG is parsed.

    What has still to be rendered, and a protocol class of somebody's own, are looked at when the task runs.

    :raises ConfigurationError: there is no such profile, or something in it cannot be understood
    """
    if isinstance(profile, str) and ("{{" in profile or _is_own_class(profile)):
        return
    if isinstance(profile, str | Mapping) and isinstance(options, Mapping | None):
        profile_of(profile, options)


def _is_own_class(profile: str) -> bool:
    return "." in profile and "/" not in profile and not profile.endswith((".yaml", ".yml"))


def profile_name(profile: Profile) -> str:
    """
    What handles and callbacks call the protocol of a profile.

    :raises ConfigurationError: there is no such profile
    """
    cls = class_of(profile)
    if issubclass(cls, HttpProfile):
        return cls.class_name()
    return profile if isinstance(profile, str) else f"{cls.__module__}.{cls.__qualname__}"


def is_generic(profile: Profile) -> bool:
    """Whether a profile is a description, so that it has all the common options."""
    return issubclass(class_of(profile), HttpProfile)


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
