# SPDX-License-Identifier: Apache-2.0
"""The page's data and actions from a terminal: requests to Airflow's API server, as one of its users."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_async_provider import _settings as settings
from airflow_async_provider._urls import is_plain_base, shown
from airflow_async_provider.errors import AsyncJobError, ConfigurationError

if TYPE_CHECKING:
    import requests

#: Where the address and the credentials come from, beside the command line; secrets never stand there.
URL, TOKEN = "ASYNC_PROVIDER_API_URL", "ASYNC_PROVIDER_API_TOKEN"
USER, PASSWORD = "ASYNC_PROVIDER_API_USER", "ASYNC_PROVIDER_API_PASSWORD"

#: For one request (seconds).
MAX_WAIT = 60.0


class ApiError(AsyncJobError):
    """Airflow's API server refused, or was not reached."""


class Api:
    """
    Airflow's API server.

    :param arguments: ``url`` and ``user`` of the command line, each None where the environment says it
    """

    def __init__(self, arguments: Namespace) -> None:
        import requests

        self._url = _address(arguments.url)
        self._user = arguments.user or os.environ.get(USER, "")
        self._session = requests.Session()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """
        What the page knows.

        :param path: below the page's own address
        """
        return self._ask("GET", f"remote-jobs/{path}", params=_given(query))

    def act(self, job: Mapping[str, Any], action: str, value: Any = None) -> str:
        """
        Take an action.

        :param job: as :meth:`get` has returned it
        :param value: the result, for what is completed by hand
        :return: what happens now
        """
        named = {n: job[n] for n in ("dag_id", "run_id", "task_id", "map_index", "ti_id")}
        wanted = {"action": action, "value": value}
        answer = self._ask("POST", "remote-jobs/act", params=named, json=wanted)
        return str(answer.get("detail", ""))

    def post(self, path: str, **query: Any) -> dict[str, Any]:
        """
        Ask the page to do something.

        :param path: below the page's own address
        """
        return self._ask("POST", f"remote-jobs/{path}", params=_given(query))

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        if "Authorization" not in self._session.headers:
            self._session.headers["Authorization"] = f"Bearer {self._token()}"
        return self._send(method, path, **options)

    def _token(self) -> str:
        if token := os.environ.get(TOKEN, ""):
            return token
        # Where everybody is an administrator (a laptop), Airflow gives a token to anybody.
        how: dict[str, Any] = {}
        if self._user:
            how = {"json": {"username": self._user, "password": _password(self._user)}}
        try:
            answer = self._send("POST" if how else "GET", "auth/token", **how)
        except ApiError as e:
            hint = "" if how else f" Set {TOKEN}, or give --user and set {PASSWORD}."
            raise ApiError(f"Airflow gave no token: {e}{hint}") from None
        return str(answer.get("access_token", ""))

    def _send(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        status, body = _exchange(self._session, method, f"{self._url}/{path}", where=self._url, **options)
        if status < 300 and body is not None:
            return body
        detail = body.get("detail") if body is not None else None
        words = detail if isinstance(detail, str) else _words(status)
        raise ApiError(f"HTTP {status}: {words}")


def send(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
    """
    Send a delivery as a remote system would, and return the response.

    :raises ApiError: there was no answer
    """
    import requests

    with requests.Session() as session:
        status, found = _exchange(session, "POST", url, where=url, data=body, headers=headers)
    return status, found or {}


def _exchange(
    session: requests.Session, method: str, url: str, *, where: str, **options: Any
) -> tuple[int, dict[str, Any] | None]:
    """
    One request: the status, and the answer if it is a JSON object.

    :param where: what an error names
    :raises ApiError: there was no answer
    """
    import requests

    try:
        answer = session.request(method, url, timeout=MAX_WAIT, allow_redirects=False, **options)
    except requests.RequestException as e:
        raise ApiError(f"{shown(where)} was not reached ({type(e).__name__}).") from None
    try:
        found = answer.json()
    except ValueError:
        found = None
    return answer.status_code, found if isinstance(found, dict) else None


def _address(given: str | None) -> str:
    url = given or os.environ.get(URL) or settings.api_base_url() or "http://localhost:8080"
    if not is_plain_base(url):
        raise ConfigurationError(
            "The address of Airflow's API server must be a plain http or https address (--url, or the "
            f"variable {URL}), without user, password, query and fragment."
        )
    return url.rstrip("/")


def _password(user: str) -> str:
    if given := os.environ.get(PASSWORD, ""):
        return given
    from getpass import getpass

    return getpass(f"Password of {user}: ")


def _words(status: int) -> str:
    return {
        401: "not signed in",
        403: "this user may not",
        404: "there is no such page: is the package installed on the API server?",
    }.get(status, "no answer that was expected")


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value not in (None, "")}
