# SPDX-License-Identifier: Apache-2.0
"""JAGGAER ASO: credentials and headers of its services EES and CHES."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_async_provider._metadata.jaggaer_aso import JAGGAER_ASO
from airflow_async_provider._transport.auth import Auth, StaticAuth
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider.errors import (
    AuthenticationError,
    AuthorizationError,
    ConfigurationError,
    UnreadableAnswerError,
)
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._connection import (
    COMMON_FIELDS,
    base_url,
    check_names,
    common_settings,
    extra_of,
)
from airflow_async_provider.hooks._form import with_form
from airflow_async_provider.hooks._oauth import OAUTH_FIELDS, client_credentials
from airflow_async_provider.hooks._test_connection import checked
from airflow_async_provider.protocols._http_messages import HttpRequest
from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol
from airflow_async_provider.protocols._job import JobHandle

if TYPE_CHECKING:
    from airflow.sdk import Connection

FIELDS = frozenset({*(JAGGAER_ASO.connection or {})["conn-fields"], *COMMON_FIELDS, *OAUTH_FIELDS})

#: EES's media type. Sources: the EES and CHES API documentation and the Java code of "Working With
#: Asynchronous Download Endpoints"; the spelling ``scquest`` in the header table of that page is a typo.
DEFAULT_ACCEPT = "application/vnd.sciquest.com.ees+json"


@with_form(JAGGAER_ASO)
class JaggaerAsoHook(AsyncApiHook):
    """
    Talks to one ASO service (EES or CHES).

    The connection (type ``jaggaer_aso``):

    * ``host``: base URL of the service, for example ``https://ees.aso-api.jaggaer.com``; scheme and port are
      honoured, https is the default. The host differs per environment and region.
    * ``password`` alone: a ready bearer token. ``login`` and ``password`` with extra ``token_url``: OAuth 2.0
      client credentials.
    * extra ``api_key``: sent as ``X-API-Key``; ``scope``; ``accept`` (default
      ``application/vnd.sciquest.com.ees+json``; for CHES ``…ches+json``); ``token_api_key`` (default true:
      the API key goes along with the token request, as third parties report; JAGGAER's public pages do not
      say); ``allowed_hosts``, ``job_url``, ``verify``, ``result_verify``, ``result_hosts``, ``cert``,
      ``cert_key``, ``proxy``, ``timeout``.

    :param conn_id: Airflow connection
    """

    default_conn_name: ClassVar[str] = "jaggaer_aso_default"
    conn_type: ClassVar[str] = "jaggaer_aso"
    hook_name: ClassVar[str] = "JAGGAER ASO"

    protocol: ClassVar[JaggaerAsoProtocol] = JaggaerAsoProtocol()

    @classmethod
    def endpoint_from(cls, conn: Connection) -> Endpoint:
        """
        Base URL, credentials and headers of the connection.

        :raises ConfigurationError: no host, or neither a token nor client credentials
        """
        extra = extra_of(conn)
        check_names(conn, extra, FIELDS)
        url = base_url(conn)
        return Endpoint(
            base_url=url,
            auth=cls._auth(conn, extra, url),
            headers={"Accept": str(extra.get("accept") or DEFAULT_ACCEPT)},
            **common_settings(conn),
        )

    @staticmethod
    def _auth(conn: Connection, extra: Mapping[str, Any], url: str) -> Auth:
        # A pasted key or token often has a line break at its end; no key or token can.
        key = {"X-API-Key": str(extra["api_key"]).strip()} if extra.get("api_key") else {}
        send_key = str(extra.get("token_api_key", True)).lower() != "false"
        oauth = client_credentials(conn, extra, url, headers=key, token_headers=key if send_key else {})
        if oauth is not None:
            return oauth
        if not conn.password:
            raise ConfigurationError(
                f"The connection {conn.conn_id!r} has neither a bearer token (password) nor client "
                "credentials (login, password and extra token_url)."
            )
        if conn.login:
            raise ConfigurationError(
                f"The connection {conn.conn_id!r} has a login but no token_url in its extra. For a ready "
                "bearer token leave the login empty; for client credentials set token_url."
            )
        return StaticAuth({"Authorization": f"Bearer {conn.password.strip()}", **key})

    def submit(
        self,
        endpoint: str,
        *,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> JobHandle:
        """
        Start an asynchronous download.

        :param endpoint: path below the host, ending in ``/async``
        :param method: GET, or POST for the CHES endpoint
        :param params: query parameters
        :param json: body of a POST
        :raises SubmitError: ASO refused
        :raises SubmitUnknownError: the answer to a POST was lost; an event may have been created
        """
        request = self.protocol.submit(
            endpoint, method=method, params=params, json=json, content_type=self.endpoint.headers["Accept"]
        )
        return self.start(self.protocol, request).handle

    def test_connection(self) -> tuple[bool, str]:
        """
        Reach the service, with TLS, and have the credentials looked at.

        ASO documents no call without effect, so a status URL that cannot exist is asked for: 401 means bad
        credentials, 404 (or 400, 410, 422) that they were accepted. 403 is ambiguous and reported as such.
        """
        return checked(self._probe, conn_id=self.conn_id)

    def _probe(self) -> str:
        response = self.call(HttpRequest("GET", "asyncStatus/connection-test"))
        host, status = self.endpoint.host, response.status
        if status == 401:
            raise AuthenticationError(f"{host} answers, but refuses the token (401).")
        if status == 403:
            raise AuthorizationError(
                f"{host} answers 403: token or API key are wrong, or it says so for an unknown status URL; "
                "ASO does not document which."
            )
        if status >= 500 or status < 400:
            raise UnreadableAnswerError(f"{host} answers with HTTP {status}; 404 was expected. Is it ASO?")
        return f"Connected to {host} (HTTP {status} for an unknown job, as expected)."
