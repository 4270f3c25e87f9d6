# SPDX-License-Identifier: Apache-2.0
"""Bearer tokens: issued by a client-credentials endpoint (RFC 6749, section 4.4), expiring, revocable."""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from collections.abc import Callable
from urllib.parse import parse_qs, unquote_plus

from aiohttp import web

from airflow_async_provider.simulators.reply import Refused, Reply


class Tokens:
    """
    The tokens that a simulator takes.

    :param now: simulated epoch seconds
    :param static: a token that is good without having been issued, None: there is none
    :param client_id: who may ask for tokens
    :param client_secret: with which secret
    :param expires_in: seconds an issued token is good; None: for ever, and the answer does not say
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        static: str | None,
        client_id: str,
        client_secret: str,
        expires_in: int | None = 3600,
    ) -> None:
        self._now = now
        self._static = static
        self._client = f"{client_id}:{client_secret}"
        self.expires_in = expires_in
        self._good: dict[str, float | None] = {}
        self.reset()

    def reset(self) -> None:
        """Forget what was issued; the static token is good again."""
        self._good = {} if self._static is None else {self._static: None}

    def revoke(self, token: str | None = None) -> None:
        """
        Make a token, or all of them, bad at once; new ones can be asked for.

        :param token: this one only
        """
        if token is None:
            self._good.clear()
        else:
            self._good.pop(token, None)

    def accepts(self, authorization: str | None) -> bool:
        """Whether that ``Authorization`` header carries a good bearer token."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or token not in self._good:
            return False
        until = self._good[token]
        return until is None or self._now() < until

    async def issue(self, request: web.Request) -> Reply:
        """Answer a token request: HTTP Basic with id and secret, form body with ``grant_type``."""
        if not self._knows_client(request.headers.get("Authorization", "")):
            raise Refused(
                Reply.json(
                    {"error": "invalid_client"}, 401, headers={"WWW-Authenticate": 'Basic realm="aso"'}
                )
            )
        if request.content_type != "application/x-www-form-urlencoded":
            raise Refused(Reply.json({"error": "invalid_request"}, 400))
        form = parse_qs(await request.text())
        if form.get("grant_type") != ["client_credentials"]:
            raise Refused(Reply.json({"error": "unsupported_grant_type"}, 400))
        token = str(uuid.uuid4())
        answer: dict[str, object] = {"access_token": token, "token_type": "bearer"}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        if "scope" in form:
            answer["scope"] = form["scope"][0]
        self._good[token] = None if self.expires_in is None else self._now() + self.expires_in
        return Reply.json(answer, headers={"Cache-Control": "no-store"})

    def _knows_client(self, authorization: str) -> bool:
        scheme, _, encoded = authorization.partition(" ")
        try:
            pair = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return False
        # RFC 6749, section 2.3.1, wants both parts form-encoded; many clients send them as they are.
        return scheme.lower() == "basic" and any(
            hmac.compare_digest(form.encode(), self._client.encode()) for form in (pair, unquote_plus(pair))
        )
