# SPDX-License-Identifier: Apache-2.0
"""
OAuth 2.0 client credentials (RFC 6749 §4.4): a token is fetched when needed and used until near its end.

The client says who it is in one of the ways of RFC 6749 §2.3.1, RFC 7523 §2.2 (``private_key_jwt``, as SMART
Backend Services want it) or RFC 8705 (its TLS certificate alone).
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from airflow_async_provider._transport.auth import Auth, basic
from airflow_async_provider._urls import origin
from airflow_async_provider.errors import AuthenticationError, ConfigurationError, UnreadableAnswerError
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import raise_for_answer

#: A token is replaced this long before its end (seconds), or after 9/10 of a shorter life.
TOKEN_MARGIN = 60.0

#: Life of a signed assertion (seconds); SMART Backend Services allow five minutes at most.
ASSERTION_LIFE = 240

#: Ways in which a client says who it is.
BASIC, BODY, PRIVATE_KEY_JWT, NONE = "basic", "body", "private_key_jwt", "none"
CLIENT_AUTH = (BASIC, BODY, PRIVATE_KEY_JWT, NONE)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """
    The key of ``private_key_jwt``.

    :param text: PEM, or one JWK as JSON
    :param path: file that holds it, read when something is signed
    :param key_id: ``kid`` of the assertion's header, under which the remote knows the public key
    :param algorithm: such as RS384 or ES384; empty takes one that fits the key
    """

    text: str = field(default="", repr=False)
    path: str = ""
    key_id: str = ""
    algorithm: str = ""

    def sign(self, claims: Mapping[str, Any]) -> str:
        """
        A signed assertion.

        :raises ConfigurationError: no usable key
        """
        import jwt

        headers = {"kid": self.key_id} if self.key_id else None
        try:
            key, algorithm = self._load()
            return jwt.encode(dict(claims), key, algorithm=self.algorithm or algorithm, headers=headers)
        except ConfigurationError:
            raise
        except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError) as e:
            # Their texts may quote the key.
            raise ConfigurationError(
                f"The private key of the connection cannot sign ({type(e).__name__}). It must be an RSA or "
                "EC key in PEM without a passphrase, or one JWK; key_algorithm must fit it (RS384, ES384)."
            ) from None

    def _load(self) -> tuple[Any, str]:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key: Any
        text = self._text()
        if text.lstrip().startswith("{"):
            import jwt

            key = jwt.PyJWK(json.loads(text), algorithm=self.algorithm or None).key
        else:
            # Forms and URLs like to turn line breaks into blanks or into a backslash and an n.
            key = load_pem_private_key(_pem(text).encode(), password=None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key, {256: "ES256", 384: "ES384", 521: "ES512"}.get(key.curve.key_size, "ES384")
        return key, "RS384"

    def _text(self) -> str:
        if not self.path:
            return self.text
        try:
            return Path(self.path).read_text(encoding="utf-8")
        except (OSError, ValueError) as e:
            raise ConfigurationError(
                f"The private key file {self.path!r} cannot be read on this machine ({type(e).__name__})."
            ) from None


def _pem(text: str) -> str:
    found = re.search(r"(-----BEGIN [A-Z ]+-----)(.*)(-----END [A-Z ]+-----)", text, re.DOTALL)
    if not found:
        return text
    body = re.sub(r"\\[nr]|\s", "", found[2])
    return "\n".join([found[1], *re.findall(".{1,64}", body), found[3], ""])


class ClientCredentialsAuth(Auth):
    """
    A bearer token that is fetched with the client's own credentials.

    :param token_url: absolute URL of the token endpoint; the connection names it, so it gets the client's
        credentials, and nothing that it redirects to does
    :param client_id: who we are
    :param client_secret: for ``basic`` and ``body``
    :param scope: sent when given
    :param audience: sent when given (Auth0 and others)
    :param resource: sent when given (RFC 8707), several are repeated
    :param client_auth: ``basic`` (RFC 6749 recommends it), ``body``, ``private_key_jwt``, or ``none`` for a
        client that its TLS certificate names
    :param key: for ``private_key_jwt``
    :param params: further parameters of the token request
    :param extra: headers that go along with the token (an API key)
    :param token_extra: headers of the token request itself
    """

    def __init__(
        self,
        *,
        token_url: str,
        client_id: str,
        client_secret: str = "",
        scope: str | None = None,
        audience: str | None = None,
        resource: Sequence[str] = (),
        client_auth: str = BASIC,
        key: SigningKey | None = None,
        params: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
        token_extra: Mapping[str, str] | None = None,
    ) -> None:
        self.token_url = token_url
        self.client_auth = client_auth
        self._client_id = client_id
        self._client_secret = client_secret
        self._key = key
        self._form = [
            ("grant_type", "client_credentials"),
            *([("scope", scope)] if scope else []),
            *([("audience", audience)] if audience else []),
            *(("resource", one) for one in resource),
            *(params or {}).items(),
        ]
        self._extra = dict(extra or {})
        self._token_extra = dict(token_extra or {})
        self._token: str | None = None
        self._headers: Mapping[str, str] = {}
        self._good_until = 0.0
        # Held only for a few assignments, so it never makes the event loop wait.
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"ClientCredentialsAuth({origin(self.token_url)})"

    def headers(self) -> Mapping[str, str] | None:
        """Token and extra headers, None when there is no token that is good for a while."""
        with self._lock:
            if self._token is None or time.monotonic() >= self._good_until:
                return None
            return self._headers

    def token_request(self) -> HttpRequest:
        """
        The POST that fetches a token; signing takes a moment, so it is made outside of the event loop.

        :raises ConfigurationError: the key cannot sign
        """
        form, authorization = self._client()
        return HttpRequest(
            "POST",
            self.token_url,
            body=urlencode([*self._form, *form]).encode(),
            headers={
                **authorization,
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                **self._token_extra,
            },
        )

    def _client(self) -> tuple[list[tuple[str, str]], dict[str, str]]:
        """Who we are, as parameters and as headers."""
        if self.client_auth == BASIC:
            # §2.3.1 wants id and secret form-encoded before they are joined.
            value = basic(quote(self._client_id, safe=""), quote(self._client_secret, safe=""))
            return [], {"Authorization": value}
        if self.client_auth == BODY:
            return [("client_id", self._client_id), ("client_secret", self._client_secret)], {}
        if self.client_auth == PRIVATE_KEY_JWT and self._key is not None:
            now = int(time.time())
            claims = {
                "iss": self._client_id,
                "sub": self._client_id,
                "aud": self.token_url,
                "jti": str(uuid.uuid4()),
                "iat": now,
                "exp": now + ASSERTION_LIFE,
            }
            return [
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", self._key.sign(claims)),
            ], {}
        return [("client_id", self._client_id)], {}

    def accept_token(self, response: HttpResponse) -> None:
        """
        Keep the token.

        :raises AuthenticationError: the token endpoint refused the client (400, 401, 403, or an ``error``)
        :raises RemoteError: anything else without a token in the response
        """
        reason = _error_of(response, self._client_secret)
        if response.status in (400, 401, 403) or (reason and response.status < 300):
            raise AuthenticationError(
                f"The token endpoint {origin(self.token_url)} refused the client credentials (HTTP "
                f"{response.status}{': ' + reason if reason else ''}). Check client id, secret or key, "
                "token_url, scope and client_auth of the connection.",
                http_status=response.status,
            )
        raise_for_answer(response, job="an access token", doing="asking the token endpoint for")
        # No excerpt of a token answer, ever: it may hold the token under another name.
        try:
            answer = response.json_object()
        except UnreadableAnswerError:
            answer = {}
        token = answer.get("access_token")
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise UnreadableAnswerError(
                "The token endpoint's answer has no usable access_token.", http_status=response.status
            )
        life = _life(answer.get("expires_in"))
        with self._lock:
            self._token = token
            self._headers = {"Authorization": f"Bearer {token}", **self._extra}
            self._good_until = time.monotonic() + (
                life - TOKEN_MARGIN if life > 10 * TOKEN_MARGIN else life * 0.9
            )

    def reject(self, headers: Mapping[str, str]) -> bool:
        """Forget the token, unless another task has replaced the refused one meanwhile."""
        with self._lock:
            if self._token is not None and headers.get("Authorization") == f"Bearer {self._token}":
                self._token = None
            return True


def _life(value: Any) -> float:
    """Seconds of ``expires_in``; without a usable one a token is good until a 401 (RFC 6749 lets it out)."""
    try:
        life = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.inf
    return math.inf if math.isnan(life) else life


def _error_of(response: HttpResponse, *secrets: str) -> str:
    """The token endpoint's own error (RFC 6749 §5.2), empty when there is none."""
    try:
        answer = response.json_object()
    except UnreadableAnswerError:
        return ""
    error, description = answer.get("error"), answer.get("error_description")
    if not isinstance(error, str) or not error:
        return ""
    reason = f"{error}: {description}" if isinstance(description, str) and description else error
    for secret in filter(None, secrets):
        reason = reason.replace(secret, "***")
    return excerpt(reason)
