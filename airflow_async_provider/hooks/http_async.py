# SPDX-License-Identifier: Apache-2.0
"""Any API on Airflow's standard ``http`` connections, read as the HTTP provider reads them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_async_provider._transport.auth import StaticAuth, basic
from airflow_async_provider._transport.endpoint import Endpoint
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._connection import (
    COMMON_FIELDS,
    base_url,
    check_names,
    common_settings,
    extra_of,
)
from airflow_async_provider.hooks._oauth import OAUTH_FIELDS, client_credentials
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import HttpRequest
from airflow_async_provider.protocols._job import Submitted
from airflow_async_provider.protocols._signature_forms import scheme_from
from airflow_async_provider.protocols._signatures import SignatureScheme, keys_of

if TYPE_CHECKING:
    from airflow.sdk import Connection

#: Options of the HTTP provider's hook, of all its versions since 5.3, that mean nothing or something else
#: here.
OF_THE_HTTP_PROVIDER = frozenset(
    {
        "allow_redirects",
        "auth_kwargs",
        "auth_type",
        "check_response",
        "headers",
        "max_redirects",
        "proxies",
        "srv_lookup",
        "stream",
        "trust_env",
        "verify_ssl",
    }
)

#: What has a meaning in the extra and is not a header.
FIELDS = frozenset(
    {
        *COMMON_FIELDS,
        *OAUTH_FIELDS,
        *OF_THE_HTTP_PROVIDER,
        "callback_base_url",
        "callback_secret",
        "callback_signature",
    }
)

#: A field name after RFC 9110 §5.1.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class HttpAsyncJobHook(AsyncApiHook):
    """
    Talks to any HTTP API with an ordinary ``http`` connection.

    What the connection means is what it means to the HTTP provider's own hook: ``host`` with or without a
    scheme, ``schema`` (default ``http``; of a connection written as the URI ``https://…`` it is https),
    ``port``; ``login`` and ``password`` as HTTP Basic; every key of the extra whose value is text is a
    header, but for the options. A ``password`` without a login is a bearer token.

    * ``token_url``: OAuth 2.0 client credentials, with ``login`` as client id and ``password`` as client
      secret; ``scope``, ``audience``, ``resource``, ``oauth_params``, ``client_auth`` (``basic``, ``body``,
      ``private_key_jwt``, ``none``), ``private_key`` or ``private_key_file``, ``key_id``, ``key_algorithm``.
    * ``cert``, ``cert_key``: a client certificate; ``cookies``, ``csrf``: what is kept within one job.
    * ``verify`` (or ``verify_ssl``), ``proxies`` (or ``proxy``), ``timeout`` (of a pair, the longer one).
    * ``result_verify``, ``result_hosts``: how and where result URLs on other hosts are fetched.
    * ``allowed_hosts``: further hosts that may get the credentials (a list, or text separated by commas).
    * ``max_status_bytes``, ``min_poll_interval``, ``max_requests_per_minute``: bounds of what the remote can
      do to the triggerer, and we to the remote.
    * ``callback_secret``: key of the signature of callbacks (a list of keys while one is replaced), and
      ``callback_signature``: how they are signed, a name (``standard-webhooks``, ``svix``, ``stripe``,
      ``slack``, ``github``, ``shopify``, ``gitlab``) or a scheme, see
      :func:`~..protocols._signature_forms.scheme_from`.
      ``callback_base_url``: where the remote reaches Airflow's API server.
    * Without effect here: ``stream``, ``allow_redirects``, ``max_redirects``, ``trust_env``,
      ``check_response``, ``auth_type``, ``auth_kwargs``. Redirects are followed where credentials may go;
      the environment's proxies and CA bundle are honoured.
    * Refused, because going on without it could not work: ``srv_lookup``.

    A header of the extra may be a credential, so all of them go where credentials may go, and nowhere else.

    :param conn_id: Airflow connection
    """

    conn_name_attr: ClassVar[str] = "http_conn_id"
    default_conn_name: ClassVar[str] = "http_default"
    conn_type: ClassVar[str] = "http"
    hook_name: ClassVar[str] = "HTTP"

    @classmethod
    def endpoint_from(cls, conn: Connection) -> Endpoint:
        """
        Base URL, credentials, headers, TLS, proxy and time limit of the connection.

        :raises ConfigurationError: a value that cannot be read, or an option that is not supported
        """
        extra = extra_of(conn)
        check_names(conn, extra, FIELDS, others=True)
        if extra.get("srv_lookup") and str(extra["srv_lookup"]).lower() != "false":
            raise ConfigurationError(
                f"srv_lookup in the extra of connection {conn.conn_id!r}: SRV records are not supported; "
                "give the host itself."
            )
        url = base_url(conn, default_scheme="http")
        headers = _headers(conn, extra)
        authorization = headers.pop("Authorization", None)
        oauth = client_credentials(conn, extra, url)
        if oauth is None and conn.login:
            authorization = _basic(conn.login, conn.password or "")
        elif oauth is None and conn.password and authorization is None:
            authorization = f"Bearer {conn.password.strip()}"
        # What the settings have in common reads is under the HTTP provider's names here.
        settings = {
            **extra,
            "verify": extra.get("verify", extra.get("verify_ssl")),
            "proxy": _proxy(url, extra.get("proxies", extra.get("proxy"))),
            "timeout": _max_of(extra.get("timeout")),
        }
        return Endpoint(
            base_url=url,
            auth=oauth or StaticAuth({"Authorization": authorization} if authorization else {}),
            headers=headers,
            **common_settings(conn, settings, headers=headers),
        )

    @classmethod
    def signature_scheme(cls, conn: Connection) -> SignatureScheme | None:
        """
        How the remote signs its callbacks, None when the connection has no ``callback_secret``.

        :raises ConfigurationError: a secret without ``callback_signature``, or one that describes no scheme
        """
        extra = extra_of(conn)
        described = extra.get("callback_signature")
        if not cls.signature_keys(conn):
            if described:
                raise ConfigurationError(
                    f"The connection {conn.conn_id!r} has callback_signature in its extra but no "
                    "callback_secret: callbacks could not be verified."
                )
            return None
        if not described:
            raise ConfigurationError(
                f"The connection {conn.conn_id!r} has callback_secret in its extra but no "
                "callback_signature, which says how callbacks are signed."
            )
        return scheme_from(described)

    @classmethod
    def signature_keys(cls, conn: Connection) -> list[str]:
        """``callback_secret`` of the extra; a list while a key is being replaced."""
        return keys_of(extra_of(conn).get("callback_secret"))

    def credentials_for(self, url: str, refused: Mapping[str, str] | None = None) -> dict[str, str]:
        """Credentials, and the headers of the extra, any of which may be one."""
        if not self.endpoint.may_have_credentials(url):
            return {}
        credentials = super().credentials_for(url, refused)
        # What was refused once is refused again, unless a token could be renewed.
        return {} if refused is not None and not credentials else {**self.endpoint.headers, **credentials}

    def submit(
        self, protocol: JobProtocol, method: str | None, endpoint: str | None, **arguments: Any
    ) -> Submitted:
        """
        Start a job.

        :param protocol: a profile, or any protocol whose ``submit`` takes method, endpoint and arguments
        :param arguments: as :meth:`~..protocols._http.submission.first_request` takes them
        :raises ConfigurationError: the protocol has no such ``submit``
        :raises SubmitError: the remote refused
        :raises SubmitUnknownError: the answer was lost and the request must not be repeated
        """
        starting = getattr(protocol, "starting", None)
        if starting is not None:  # a profile that keeps the task's bodies for the later requests of a start
            bound, request = starting(method, endpoint, **arguments)
            return self.start(bound, request)
        make: Callable[..., HttpRequest] | None = getattr(protocol, "submit", None)
        if make is None:
            raise ConfigurationError(
                f"The protocol {type(protocol).__qualname__} has no method submit(method, endpoint, ...), "
                "so it cannot start a job."
            )
        return self.start(protocol, make(method, endpoint, **arguments))


def _headers(conn: Connection, extra: Mapping[str, Any]) -> dict[str, str]:
    nested = extra.get("headers")
    found = dict(extra)
    if isinstance(nested, Mapping):
        found |= nested
    headers = {
        _canonical(name): value
        for name, value in found.items()
        if name not in FIELDS
        and not name.startswith("callback_")
        and isinstance(value, str)
        and _TOKEN.fullmatch(name)
    }
    if any(c in value for value in headers.values() for c in "\r\n\0"):
        raise ConfigurationError(
            f"A header in the extra of connection {conn.conn_id!r} has more than one line."
        )
    return headers


def _canonical(name: str) -> str:
    """The usual spelling of the headers that we set ourselves, so that none is sent twice."""
    usual = {"accept": "Accept", "content-type": "Content-Type", "authorization": "Authorization"}
    return usual.get(name.lower(), name)


def _basic(login: str, password: str) -> str:
    try:
        return basic(login, password, "latin-1")  # what requests does, and with it the HTTP provider
    except UnicodeEncodeError:
        return basic(login, password)


def _proxy(url: str, value: Any) -> str | None:
    """The proxy for the connection's own address, out of one URL or requests' dictionary."""
    if isinstance(value, Mapping):
        from requests.utils import select_proxy

        value = select_proxy(url, {str(k): v for k, v in value.items()})
    if not value:
        return None
    return str(value) if "://" in str(value) else f"http://{value}"


def _max_of(timeout: Any) -> Any:
    """Requests takes a pair (connect, read), too."""
    if isinstance(timeout, list | tuple):
        numbers = [t for t in timeout if isinstance(t, int | float)]
        return max(numbers) if numbers else None
    return timeout
