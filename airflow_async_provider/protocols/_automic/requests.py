# SPDX-License-Identifier: Apache-2.0
"""
What goes into a request to the AE REST API: bodies, aliases, filters, checked before anything is sent.

Automic answers a wrong filter name with an unfiltered list and malformed JSON with HTTP 500, so mistakes
are found here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from airflow_async_provider.errors import ConfigurationError

EXECUTION_OPTIONS = ("execute", "once", "recurring")

#: Length of an alias (community list "AE limits": 200, the same as an object name).
MAX_ALIAS = 200

#: What an alias may hold: letters, digits, "_" and ".", and of the others what ALIAS_SPECIAL_CHARACTERS in
#: UC_CLIENT_SETTINGS lists, by default "-#".
_NOT_IN_ALIAS = re.compile(r"[^A-Z0-9_.#-]")

_CLIENT = re.compile(r"\d{1,4}\Z", re.ASCII)
_RUN_ID = re.compile(r"\d{1,20}\Z", re.ASCII)
#: Members of ``once`` that are moments.
_MOMENTS = frozenset({"execution_date_time", "use_logical_time"})

#: Members of ``recurring`` that are days.
_DAYS = frozenset({"start_date", "end_date"})

_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z\Z", re.ASCII)

#: Filters of the execution list and what they take (vendor's REST reference 12.3; "Filtering Execution
#: Lists"). "many" filters take several values; the others one, where text may hold the wildcard ``*``.
FILTERS: Mapping[str, str] = {
    "run_id": "number",
    "name": "text",
    "name_exclude": "flag",
    "alias": "text",
    "type": "many",
    "status": "many",
    "platform": "many",
    "queue": "many",
    "sync_usage": "many",
    "agent": "text",
    "agent_exclude": "flag",
    "user": "text",
    "user_exclude": "flag",
    "archive_key1": "text",
    "archive_key1_exclude": "flag",
    "archive_key2": "text",
    "archive_key2_exclude": "flag",
    "include_deactivated": "flag",
    "time_frame_option": "text",
    "time_frame_from": "time",
    "time_frame_to": "time",
    "commented_only": "flag",
    "modified_only": "flag",
    "remote_status_number": "number",
    "remote_status_text": "text",
    "reference_run_id": "number",
    "zdu_version": "text",
    "fields": "many",
}


def client_number(client: str | int) -> str:
    """
    An Automic client as a path segment, zero padding kept as given (both ``100`` and ``0100`` are in use).

    :raises ConfigurationError: it is no number of one to four digits
    """
    text = str(client).strip()
    if not _CLIENT.match(text):
        raise ConfigurationError(
            f"{text[:40]!r} is no Automic client: a number of up to four digits is expected, in the extra "
            "client of the connection or as the first part of its login (CLIENT/USER/DEPARTMENT)."
        )
    return text


def run_number(run_id: str | int) -> str:
    """
    A RunID as Automic's paths want it, without the zero padding that callbacks use.

    :raises ConfigurationError: it is not a RunID
    """
    text = str(run_id).strip()
    if isinstance(run_id, bool) or not _RUN_ID.match(text) or not int(text):
        raise ConfigurationError(f"{text[:40]!r} is not a RunID of Automic: a positive number is expected.")
    return str(int(text))


#: The filter that finds all runs which carry our mark. The vendor documents ``*`` at the end of an alias; in
#: front of it, as its search of objects takes it, is an assumption.
MARKED = "*#AF-*"

_MARK = re.compile(r"#AF-[0-9A-F]{16}")


def is_marked(alias: Any) -> bool:
    """Whether an alias carries our mark."""
    return isinstance(alias, str) and _MARK.search(alias.upper()) is not None


def correlation_suffix(correlation_id: str) -> str:
    """
    Mark of our correlation id inside an alias, 19 characters.

    A digest, because the id itself (DAG, run, task) may be long and may hold what an alias may not; capitals,
    because Automic's names are.
    """
    return "AF-" + hashlib.sha256(correlation_id.encode()).hexdigest()[:16].upper()


def correlated_alias(name: str, correlation_id: str) -> str:
    """
    An alias that shows people the object's name and lets us find the run again: ``OBJECT#AF-…``.

    :param name: object name or the user's own alias; what an alias may not hold becomes ``_``
    :param correlation_id: any text that stands for this one submission
    """
    suffix = "#" + correlation_suffix(correlation_id)
    return _NOT_IN_ALIAS.sub("_", name.upper())[: MAX_ALIAS - len(suffix)] + suffix


def check_execution_option(
    execution_option: str,
    *,
    once: Mapping[str, Any] | None,
    recurring: Mapping[str, Any] | None,
    callback: bool,
) -> None:
    """
    Whether execution option, its block and the callback fit together.

    :raises ConfigurationError: they do not
    """
    if execution_option not in EXECUTION_OPTIONS:
        raise ConfigurationError(
            f"execution_option must be one of {', '.join(EXECUTION_OPTIONS)}, not {execution_option!r}."
        )
    for option, block in (("once", once), ("recurring", recurring)):
        if block and execution_option != option:
            raise ConfigurationError(
                f"{option} is given but execution_option is {execution_option!r}: "
                f"say execution_option={option!r} or leave {option} out."
            )
        if execution_option == option and not block:
            raise ConfigurationError(f"execution_option={option!r} needs the block {option}.")
    if execution_option == "recurring" and callback:
        raise ConfigurationError(
            "A recurring execution takes no callback: Automic starts it but never calls back "
            "(vendor page 'Polling and Callback Requests'). Leave callback out, or set callback=False."
        )


def times_block(block: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The ``once`` or ``recurring`` member, with its moments in Automic's form."""
    if not block:
        return None
    return {str(k): _member(str(k), v) for k, v in block.items()}


def _member(name: str, value: Any) -> Any:
    """A member of ``once`` or ``recurring``: days and moments in Automic's form, the rest as it is."""
    if name in _DAYS and isinstance(value, date):  # a datetime is one, too
        return value.strftime("%Y-%m-%d")
    return timestamp(value) if isinstance(value, datetime) or name in _MOMENTS else value


def callback_block(url: str, headers: Mapping[str, str] | None) -> dict[str, Any]:
    """The ``callback`` member; Automic copies the headers into its callback request as they are."""
    http: dict[str, Any] = {"url": url}
    if headers:
        http["headers"] = {str(k): str(v) for k, v in headers.items()}
    return {"type": "http", "http": http}


def prompt_values(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """
    PromptSet variables as Automic takes them: text, or a list of texts for checkboxes.

    Numbers become text, as the vendor's examples have it. A dictionary passes as it is (event-engine style
    inputs of scripts).

    :raises ConfigurationError: a value whose textual form only the PromptSet knows (a date, a bool)
    """

    def one(name: str, value: Any) -> Any:
        if isinstance(value, str | Mapping):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise ConfigurationError(
            f"Input {name!r} is a {type(value).__name__}. Give the text that the PromptSet expects "
            "(Automic has no other type; one PromptSet wants a date as '170730', another as '2017-07-30')."
        )

    return {
        str(name): [one(str(name), v) for v in value]
        if isinstance(value, list | tuple)
        else one(str(name), value)
        for name, value in inputs.items()
    }


def list_params(filters: Mapping[str, Any]) -> dict[str, Any]:
    """
    Query parameters of the execution list; filters that are None are left out.

    :raises ConfigurationError: a filter that Automic does not know, or a value that it would not understand
    """
    params: dict[str, Any] = {}
    for name, value in filters.items():
        if name not in FILTERS:
            raise ConfigurationError(
                f"{name!r} is no filter of Automic's execution list. There are: {', '.join(sorted(FILTERS))}."
            )
        if value is not None:
            params[name] = _filter_value(name, FILTERS[name], value)
    return params


def _filter_value(name: str, kind: str, value: Any) -> Any:
    if kind == "many":
        values = value if isinstance(value, list | tuple | set | frozenset) else [value]
        return ",".join(str(v) for v in values)
    if isinstance(value, list | tuple | set | frozenset | dict):
        raise ConfigurationError(f"Filter {name} takes one value, not {type(value).__name__}.")
    if kind == "flag":
        return bool(value) if isinstance(value, bool | int) else str(value)
    if kind == "number":
        text = str(value).strip()
        if not re.fullmatch("-?[0-9]{1,30}", text):
            raise ConfigurationError(f"Filter {name} takes a number, not {text[:40]!r}.")
        return int(text)
    if kind == "time":
        return timestamp(value)
    return str(value)


def is_timestamp(value: Any) -> bool:
    """Whether a value is a moment as Automic writes and takes it."""
    return isinstance(value, str) and _TIMESTAMP.match(value) is not None


def timestamp(value: Any) -> str:
    """
    A moment in Automic's only form, ``YYYY-MM-DDTHH:MM:SSZ``.

    Automic compares it with what its database holds and converts nothing. A moment with a zone is brought to
    UTC; one without is taken as it is.

    :param value: a datetime, or text in ISO 8601 with a time of day (as Airflow's templates render one)
    :raises ConfigurationError: a text of another form
    """
    moment = value
    if isinstance(value, str):
        if _TIMESTAMP.match(value):
            return value
        try:
            moment = datetime.fromisoformat(value) if len(value) > len("2026-01-01") else None
        except ValueError:
            moment = None
    if not isinstance(moment, datetime):
        raise ConfigurationError(
            f"{str(value)[:40]!r} is no moment: a datetime, or text like 2026-01-31T08:00:00Z, is expected."
        )
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%Y-%m-%dT%H:%M:%SZ")
