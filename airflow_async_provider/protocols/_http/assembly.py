# SPDX-License-Identifier: Apache-2.0
"""
From what a user writes to a checked description: short names, layers, parameters.

A description is laid over the one that it extends, and the options of a task over both. What a task writes
flat (``poll_path``, ``status_field``) is the same as what a file writes in parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http.description import (
    Cancel,
    Delete,
    Outcome,
    Poll,
    Polling,
    Request,
    ResultPlace,
    Step,
    as_mapping,
    build,
)
from airflow_async_provider.protocols._http.kinds import text_by_name
from airflow_async_provider.protocols._http.places import Place, as_text
from airflow_async_provider.protocols._http.templates import check_names, names_in, nearest

ROLES: Final = ("start", "poll", "outcome", "result", "cancel", "delete", "polling")
TOP: Final = (*ROLES, "extends", "parameters", "headers", "query", "name", "about")

#: Lists that a later layer adds to, where all else it replaces.
_ADDED: Final = ("running", "succeeded", "failed", "cancelled", "not_run", "ended", "no_data")


def _cancel(value: Any) -> dict[str, Any]:
    if value is None or value is False:
        return {"cancel": False}
    if isinstance(value, str) and value.strip().lower() == "delete":
        return {"cancel": {"method": "DELETE", "path": "{status_url}"}}
    if not isinstance(value, str | Mapping | list):
        raise ConfigurationError(f"cancel_by must be a path template, not {value!r}.")
    return {"cancel": _role("cancel", value)}


def _code(code: str, meaning: str) -> Callable[[Any], dict[str, Any]]:
    def made(value: Any) -> dict[str, Any]:
        if not isinstance(value, bool):
            raise ConfigurationError(f"The option for HTTP {code} must be true or false, not {value!r}.")
        return {"outcome": {"http": {code: meaning}}} if value else {}

    return made


def _redirect(value: Any) -> dict[str, Any]:
    if not isinstance(value, bool):
        raise ConfigurationError(f"redirect_means_done must be true or false, not {value!r}.")
    return {"outcome": {"redirect": "result" if value else "error"}}


def _operation_path(value: Any) -> dict[str, Any]:
    """The name of an operation is a path of its own."""
    path = value.replace("{job_id}", "{+job_id}") if isinstance(value, str) else value
    return {"poll": {"path": path}}


#: Names that are shorter than ``role_key``: role and key, or what makes a layer of the value.
SHORT: Final[Mapping[str, tuple[str, str] | Callable[[Any], dict[str, Any]]]] = {
    "id_field": ("start", "id"),
    "status_url_field": ("start", "status_url"),
    "status_expires_field": ("start", "expires"),
    "idempotent": ("start", "idempotent"),
    "status_path": ("poll", "path"),
    "operation_path": _operation_path,
    "status_field": ("outcome", "state"),
    "conclusion_field": ("outcome", "conclusion"),
    "error_field": ("outcome", "error"),
    "message_field": ("outcome", "message"),
    "progress_field": ("outcome", "progress"),
    "strict": ("outcome", "strict"),
    **{name: ("outcome", name) for name in _ADDED},
    "result_field": ("result", "value"),
    "result_url_field": ("result", "url"),
    "result_expires_field": ("result", "expires"),
    "result_authorized": ("result", "credentials"),
    "refetch_result": ("result", "again"),
    "cancel_by": _cancel,
    "not_found_means_running": _code("404", "running"),
    "client_errors_are_final": _code("4xx", "failed"),
    "redirect_means_done": _redirect,
}


@dataclass(frozen=True, kw_only=True)
class Description:
    """
    A whole description, checked.

    :param explicit: it says where the job's id, status URL or state is, so their absence is an error
    """

    start: tuple[Step, ...] = (Step(),)
    poll: Poll = Poll()
    outcome: Outcome = Outcome()
    result: ResultPlace = ResultPlace()
    cancel: tuple[Cancel, ...] = ()
    delete: Delete | None = None
    polling: Polling = Polling()
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    explicit: bool = False
    #: it says that there is no state in the answers, so none is looked for
    state_denied: bool = False

    @property
    def kept(self) -> frozenset[str]:
        """Names that the start remembers for later requests."""
        return frozenset(name for step in self.start for name in step.keep)


def layer(options: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    Options as a description in parts, whatever way they are written.

    :param parameters: names that the description below has as parameters
    :raises ConfigurationError: an option that there is not, with the nearest right one
    """
    made: dict[str, Any] = {}
    for name, value in options.items():
        short = SHORT.get(name)
        role, _, rest = name.partition("_")
        if name in TOP:
            made = merged(made, {name: _role(name, value)})
        elif parameters is not None and name in parameters:
            made = merged(made, {"parameters": {name: value}})
        elif callable(short):
            made = merged(made, short(value))
        elif short is not None:
            if value is None and name != "status_field":
                continue  # as if it were not there
            _given(name, value)
            made = merged(made, {short[0]: {short[1]: value}})
        elif role in ROLES and rest:
            made = merged(made, {role: {rest: value}})
        else:
            known = [*TOP, *SHORT, *(parameters or ())]
            raise ConfigurationError(f"A description has no option {name!r}. {nearest(name, known)}")
    return made


def _given(name: str, value: Any) -> None:
    if value is None:
        raise ConfigurationError(f"{name} must not be None; leave it out.")


def _role(name: str, value: Any) -> Any:
    if name == "start" and isinstance(value, list | tuple):
        return [dict(as_mapping(v, "start")) for v in value]
    if name == "cancel" and isinstance(value, list | tuple):
        return [dict(as_mapping(v, "cancel")) for v in value]
    if name == "cancel" and (value is False or value is None):
        return False
    if name == "delete" and (value is False or value is None):
        return False
    if name in ("start", "poll", "cancel", "delete"):
        return dict(as_mapping(value, name))
    return value


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two layers as one; what the upper one says goes first, and lists of words add up."""
    found = dict(base)
    for name, value in over.items():
        before = found.get(name)
        if name == "start" and isinstance(before, list) and isinstance(value, Mapping) and before:
            found[name] = [merged(before[0], value), *before[1:]]
        elif isinstance(before, Mapping) and isinstance(value, Mapping) and name not in ("json", "form"):
            found[name] = merged(before, value)
        elif name in _ADDED and isinstance(before, list | tuple) and isinstance(value, list | tuple):
            found[name] = [*value, *(w for w in before if w not in value)]
        elif value is not None or name == "json":
            found[name] = value
        elif isinstance(before, Mapping | list | str):
            del found[name]  # null: back to what is known without it
    return found


def laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A whole description over another one: what says the same thing in another way replaces it."""
    below = dict(base)
    for name in ("cancel", "delete"):
        if name in over:
            below.pop(name, None)
    result = over.get("result")
    if isinstance(result, Mapping) and isinstance(below.get("result"), Mapping):
        if any(result.get(k) for k in _RESULT_PLACES):
            # And whether a result may be missing was said of the place that is replaced.
            below["result"] = {
                k: v for k, v in below["result"].items() if k not in (*_RESULT_PLACES, "optional")
            }
        if result.get("again"):
            below["result"] = {k: v for k, v in below["result"].items() if k not in (*_RESULT_PLACES, "from")}
    return merged(below, over)


#: Of these a description has one.
_RESULT_PLACES: Final = ("value", "url", "path")


def travelling(description: Mapping[str, Any]) -> dict[str, Any]:
    """What of a description goes into a handle: all but the bodies of the start, not needed again."""

    def step(value: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in value.items() if k not in ("json", "form", "text", "headers", "query")}

    found = {k: v for k, v in description.items() if k not in ("about", "name", "extends")}
    start = found.get("start")
    if isinstance(start, list | tuple):
        found["start"] = [step(s) if isinstance(s, Mapping) else s for s in start]
    elif isinstance(start, Mapping):
        found["start"] = step(start)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return] # plain data stays a dictionary


def as_written(error: ConfigurationError, options: Mapping[str, Any]) -> ConfigurationError:
    """An error about a part of a description, with the short name under which it was written."""
    for short, where in SHORT.items():
        if short in options and isinstance(where, tuple) and str(error).startswith(".".join(where)):
            return ConfigurationError(f"{short}: {error}")
    return error


#: A description with one of these expects a job that can be polled.
_MONITOR: Final = (("start", "id"), ("start", "status_url"), ("outcome", "state"))


def _says(description: Mapping[str, Any], role: str, key: str) -> bool:
    part = description.get(role)
    if isinstance(part, list) and part:
        part = part[0]
    return isinstance(part, Mapping) and bool(part.get(key))


@lru_cache(maxsize=256)
def _described(base: str, over: str) -> Description:
    lower = json.loads(base)
    upper = json.loads(over)
    parameters = {**lower.get("parameters", {}), **upper.get("parameters", {})}
    below = layer(lower)
    above = layer(upper, parameters)
    whole = laid_over(below, above)
    explicit = _says(whole, "poll", "path") or any(_says(above, *where) for where in _MONITOR)
    try:
        return checked(whole, explicit=explicit)
    except ConfigurationError as e:
        raise as_written(e, upper) from None


def description_of(base: Mapping[str, Any], options: Mapping[str, Any]) -> Description:
    """
    The description that options make of a base; the same ones are read once a process.

    :raises ConfigurationError: something in it cannot be understood
    """
    try:
        return _described(json.dumps(base), json.dumps(options))
    except (TypeError, ValueError, RecursionError) as e:
        if isinstance(e, ConfigurationError):
            raise
        raise ConfigurationError(f"A description is plain data, as in JSON: {e}.") from None


def checked(whole: Mapping[str, Any], *, explicit: bool) -> Description:
    """
    Read the parts of a description.

    :raises ConfigurationError: something in it cannot be understood
    """
    start = whole.get("start", {})
    steps = start if isinstance(start, list) else [start]
    cancel = whole.get("cancel")
    cancels = cancel if isinstance(cancel, list) else [cancel] if cancel else []
    parameters = whole.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise ConfigurationError(f"parameters is a mapping of names to values, not {parameters!r}.")
    missing = [name for name, value in parameters.items() if value is None]
    if missing:
        raise ConfigurationError(
            f"The description needs a value for {', '.join(missing)}: give it in profile_options."
        )
    made = Description(
        start=tuple(build(Step, s, "start") for s in steps) or (Step(),),
        poll=build(Poll, whole.get("poll", {}), "poll"),
        outcome=build(Outcome, whole.get("outcome", {}), "outcome"),
        result=build(ResultPlace, whole.get("result", {}), "result"),
        cancel=tuple(build(Cancel, c, "cancel") for c in cancels),
        delete=build(Delete, whole["delete"], "delete") if whole.get("delete") else None,
        polling=build(Polling, whole.get("polling", {}), "polling"),
        parameters={str(k): as_text(v) for k, v in parameters.items() if v is not None},
        headers=text_by_name(whole.get("headers", {}), "headers"),
        query=text_by_name(whole.get("query", {}), "query"),
        explicit=explicit,
        state_denied=whole.get("outcome", {}).get("state") is False,
    )
    made.outcome.own_words()
    if (made.poll.pick is None) is not (made.poll.by is None) or (made.poll.pick and not made.outcome.state):
        raise ConfigurationError("poll: pick and by go together, and want outcome.state.")
    _check_result(made)
    _check_templates(made, set(parameters))
    return made


def _check_result(made: Description) -> None:
    result = made.result
    if result.url and (result.value or result.again):
        raise ConfigurationError(
            "result_url_field (result.url) goes with neither result.value nor result.again."
        )
    if sum(map(bool, (result.value, result.url, result.path))) > 1:
        raise ConfigurationError("result: value, url and path exclude each other.")
    if result.pages and not (result.url or result.path or result.source) and result.once:
        raise ConfigurationError(
            "result: pages need an address that can be asked again, so once does not fit."
        )


def _check_templates(made: Description, parameters: set[str]) -> None:
    everywhere = parameters | set(made.kept)
    later = everywhere | {"job_id", "status_url"}
    check_names(names_in(made.headers) | names_in(made.query), parameters, "headers and query", strict=True)
    first, *others = made.start
    _check_request(first, parameters, "start", free=False)
    for step in others:
        _check_request(step, later, "start", free=True)
    for where, request in (
        ("poll", made.poll),
        ("delete", made.delete),
        *(("cancel", c) for c in made.cancel),
    ):
        if request is not None:
            free = isinstance(request, Cancel) and request.source is not None
            _check_request(request, later, where, free=free)
    for cancel in made.cancel:
        if cancel.source is not None:
            _check_request(cancel.source, later, "cancel.from", free=False)
    if made.result.source is not None:
        _check_request(made.result.source, later, "result.from", free=True)
    for template in made.result.path or ():
        for name in template.names:
            if name not in later:
                Place.parse(name, "result.path")


def _check_request(request: Request, known: set[str], where: str, *, free: bool) -> None:
    """
    Refuse placeholders that nothing fills.

    :param free: other names are JSON paths of the answer before
    """
    names = set(request.path.names) if request.path else set()
    names |= names_in(request.query) | names_in(request.headers)
    if free:
        for name in names - known:
            Place.parse(name, where)
    else:
        check_names(names, known, where, strict=True)
    bodies = names_in(request.json) | names_in(request.form) | names_in(request.text)
    check_names(bodies, known, where, strict=False)
