# SPDX-License-Identifier: Apache-2.0
"""A client that asks for OAuth tokens, and the answers that it reads."""

from __future__ import annotations

import json
from typing import Any

from airflow_async_provider._transport.oauth import ClientCredentialsAuth
from airflow_async_provider.protocols import Headers, HttpResponse


def client(**options: Any) -> ClientCredentialsAuth:
    """Credentials whose every part has to be encoded somewhere."""
    return ClientCredentialsAuth(
        **{
            "token_url": "https://auth.example/oauth2/token?tenant=canary",
            "client_id": "aso client",
            "client_secret": "s:e/c+r&t",
            **options,
        }
    )


def answer(status: int = 200, body: Any = None, **fields: Any) -> HttpResponse:
    """What a token endpoint says."""
    raw = body if isinstance(body, bytes) else json.dumps(fields).encode()
    return HttpResponse(status, Headers(), raw, received_at=0.0)
