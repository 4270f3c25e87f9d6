# SPDX-License-Identifier: Apache-2.0
"""
What requests of one job share: cookies, and the CSRF token of SAP Gateway and its kind.

A session belongs to one hook, and so to one job in one process: nothing of it is stored, logged, or seen by
another job.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any

from airflow_async_provider._urls import origin, path_of
from airflow_async_provider.errors import AuthorizationError
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse

#: Cookies that are kept, and characters of each: a remote cannot fill our memory.
MAX_COOKIES, MAX_COOKIE = 50, 4096

CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Session:
    """
    Cookies and CSRF token of one job.

    :param csrf: path that a token is fetched from before the first request that changes something; None for
        remotes without such tokens
    """

    def __init__(self, csrf: str | None = None) -> None:
        self.csrf = csrf
        self._token: str | None = None
        #: (origin, path, name) -> value
        self._cookies: dict[tuple[str, str, str], str] = {}

    def __repr__(self) -> str:
        return f"Session({len(self._cookies)} cookies)"

    def headers_for(self, method: str, url: str) -> dict[str, str]:
        """Headers that a request gets from here."""
        where, path = origin(url), path_of(url) or "/"
        cookies = [
            f"{name}={value}"
            for (at, below, name), value in self._cookies.items()
            if at == where and (path == below or path.startswith(below.rstrip("/") + "/"))
        ]
        headers = {"Cookie": "; ".join(cookies)} if cookies else {}
        if self._token is not None and method not in SAFE_METHODS:
            headers[CSRF_HEADER] = self._token
        return headers

    def take(self, url: str, set_cookies: Iterable[str]) -> None:
        """
        Keep the cookies of an answer; only the origin that has set one gets it back.

        :param set_cookies: values of all its ``Set-Cookie`` headers
        """
        for text in set_cookies:
            if len(text) > MAX_COOKIE:
                continue
            try:
                parsed: SimpleCookie = SimpleCookie(text)
            except CookieError:
                continue
            for name, morsel in parsed.items():
                self._keep(url, name, morsel)

    def _keep(self, url: str, name: str, morsel: Any) -> None:
        key = (origin(url), morsel["path"] if str(morsel["path"]).startswith("/") else "/", name)
        if _is_over(morsel):
            self._cookies.pop(key, None)
        elif (len(self._cookies) < MAX_COOKIES or key in self._cookies) and morsel.coded_value.isprintable():
            self._cookies[key] = morsel.coded_value

    def csrf_request(self, request: HttpRequest) -> HttpRequest | None:
        """The request that fetches a token, None when this one needs none or there is one."""
        if self.csrf is None or self._token is not None or request.method in SAFE_METHODS:
            return None
        return HttpRequest("GET", self.csrf, headers={CSRF_HEADER: "Fetch"}, max_body_bytes=64 * 1024)

    def take_csrf(self, response: HttpResponse) -> None:
        """
        Keep the token of an answer to :meth:`csrf_request`, whatever its status.

        :raises AuthorizationError: there is none
        """
        token = str(response.headers.get(CSRF_HEADER, ""))
        if not token or token.lower() in ("fetch", "required"):
            raise AuthorizationError(
                f"The remote gave no CSRF token (HTTP {response.status} for {CSRF_HEADER}: Fetch), so the "
                "request was not sent. Set csrf in the connection's extra to a path that gives one, such as "
                "the root of the OData service.",
                http_status=response.status,
            )
        self._token = token

    def csrf_refused(self, response: HttpResponse) -> bool:
        """Whether the remote wants a new token; the old one is forgotten then."""
        headers: Mapping[str, str] = response.headers
        required = str(headers.get(CSRF_HEADER, "")).strip().lower() == "required"
        if self.csrf is None or response.status != 403 or not required:
            return False
        self._token = None
        return True


def _is_over(morsel: Any) -> bool:
    """Whether a cookie is to be deleted (RFC 6265 §5.2): ``Max-Age`` counts before ``Expires``."""
    age = str(morsel["max-age"]).strip()
    if age.removeprefix("-").isdecimal():
        return int(age) <= 0
    try:
        until = parsedate_to_datetime(str(morsel["expires"]).replace("-", " "))
    except ValueError:  # none, or none that can be read
        return False
    return until.timestamp() <= time.time()
