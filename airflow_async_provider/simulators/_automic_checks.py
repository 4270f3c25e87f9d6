# SPDX-License-Identifier: Apache-2.0
"""
What the simulated Automic refuses, and how.

Known: the error body, the codes 45254, 11049 and 11191 with their HTTP status and texts, and HTTP 500 for
JSON that it cannot read. Assumptions: 400 for everything else that is wrong with a request, code 0 for
refusals whose code is not public, 415 for another media type, 401 for a client where the user is not known.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from airflow_async_provider.simulators.reply import Refused, Reply

NO_DETAILS = "No detail information available."
LARGEST_ALIAS = 200
_ALIAS = re.compile(r"[A-Z0-9_.#-]+\Z")

_FIELDS = {
    "object_name": str,
    "execution_option": str,
    "alias": str,
    "queue": str,
    "timezone": str,
    "inputs": dict,
    "once": dict,
    "recurring": dict,
    "callback": dict,
}
_ONCE = {"wait_for_manual_release", "execution_date_time", "use_logical_time"}
_RECURRING = {
    "start_date",
    "end_date",
    "end_after_executions",
    "execute_after",
    "execute_at",
    "between_start",
    "between_end",
    "adjust_start_time",
}


def refused(status: int, code: int, error: str) -> Refused:
    """A refusal with Automic's error body."""
    return Refused(Reply.json({"code": code, "error": error, "details": NO_DETAILS}, status))


def bad_request(error: str) -> Refused:
    """A request that makes no sense."""
    return refused(400, 0, error)


def bad_credentials() -> Refused:
    """401 and 45254."""
    return refused(401, 45254, "The credentials are not valid.")


def no_such_run(run_id: str) -> Refused:
    """404 and 11049."""
    return refused(404, 11049, f"Cannot find task with RunID('{run_id:>010}')!")


def not_active(run_id: int) -> Refused:
    """403 and 11191: the run's status does not allow it."""
    return refused(403, 11191, f"Task with RunID '{run_id:010}' is not active.")


async def json_body(request: web.Request) -> dict[str, Any]:
    """
    The body of a POST.

    :raises Refused: another media type; JSON that cannot be read, which gives the field report's 500
    """
    if request.content_type != "application/json":
        raise refused(415, 0, "Unsupported Media Type")
    try:
        value = json.loads(await request.read())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refused(Reply(500, {"Content-Type": "text/plain"}, b"Internal Server Error"))
    return value


def check_start(body: Mapping[str, Any], *, unknown_fields: bool) -> None:
    """
    Refuse a start that Automic would not take.

    :param unknown_fields: whether fields that no public page names are taken
    :raises Refused: with what is wrong
    """
    for name, value in body.items():
        if name in _FIELDS:
            if not isinstance(value, _FIELDS[name]):
                raise bad_request(f"{name}: invalid value.")
        elif not unknown_fields:
            raise bad_request(f"Unrecognized field {name}.")
    if not body.get("object_name"):
        raise bad_request("object_name must not be empty.")
    alias = body.get("alias")
    if alias is not None and (len(alias) > LARGEST_ALIAS or not _ALIAS.match(alias.upper())):
        raise bad_request("The alias contains characters that are not allowed, or is too long.")
    _check_inputs(body.get("inputs", {}))
    _check_option(body)
    if "callback" in body:
        _check_callback(body["callback"])


def _check_inputs(inputs: Mapping[str, Any]) -> None:
    for name, value in inputs.items():
        several = isinstance(value, list) and all(isinstance(v, str) for v in value)
        if not (isinstance(value, str | dict) or several):
            raise bad_request(f"inputs: the value of {name} must be a string or an array of strings.")


def _check_option(body: Mapping[str, Any]) -> None:
    option = body.get("execution_option", "execute")
    if option not in ("execute", "once", "recurring"):
        raise bad_request("execution_option is not valid.")
    for name, known in (("once", _ONCE), ("recurring", _RECURRING)):
        block = body.get(name)
        if (block is not None) != (option == name):
            raise bad_request(f"{name} does not fit to execution_option.")
        if block and set(block) - known:
            raise bad_request(f"{name}: unrecognized field.")
    start_of(body)


def start_of(body: Mapping[str, Any]) -> float | None:
    """
    Epoch seconds of a later start, None: at once.

    :raises Refused: it has another form
    """
    value = body.get("once", {}).get("execution_date_time")
    if value is None:
        return None
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError):
        raise bad_request("execution_date_time is not valid.") from None


def _check_callback(callback: Mapping[str, Any]) -> None:
    http = callback.get("http")
    if callback.get("type") != "http" or not isinstance(http, dict):
        raise bad_request("callback is not valid.")
    url, headers = http.get("url"), http.get("headers", {})
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request("callback: the url is not valid.")
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise bad_request("callback: the headers are not valid.")


class Accounts:
    """
    Who may call.

    :param client: the client in which the user is known
    :param user: ``USER/DEPARTMENT``
    :param password: compared in ISO-8859-1, as Automic does: UTF-8 makes another password of it
    :param token: a bearer token, None: there is none
    """

    def __init__(self, *, client: str, user: str, password: str, token: str | None) -> None:
        self.client = int(client)
        self.user = user
        self._password = password
        self._token = token

    def check(self, request: web.Request) -> None:
        """
        Let the caller in.

        :raises Refused: 401 and 45254
        """
        client = request.match_info.get("client", "")
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        good = False
        if scheme.lower() == "basic":
            good = self._knows(value, client)
        elif scheme.lower() == "bearer":
            good = self._token is not None and value == self._token
        if not good or not client.isdigit() or int(client) != self.client:
            raise bad_credentials()

    def _knows(self, value: str, client: str) -> bool:
        try:
            login, _, password = base64.b64decode(value, validate=True).decode("iso-8859-1").partition(":")
        except (binascii.Error, ValueError):
            return False
        parts = login.upper().split("/")
        if len(parts) == 3:
            # Which one wins when the two clients differ is not documented; here nobody does.
            first = parts.pop(0)
            if not first.isdigit() or not client.isdigit() or int(first) != int(client):
                return False
        return "/".join(parts) == self.user.upper() and password == self._password
