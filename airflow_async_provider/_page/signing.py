# SPDX-License-Identifier: Apache-2.0
"""
What proves that a report comes from a triggerer of this deployment: a signature over its body.

It is made with the key that workers and API servers share already (``[async_provider] callback_key``, else
``[core] fernet_key``), so nothing new has to be handed out, and no secret travels. A report that somebody
records and sends again says what was true a moment ago, until the next one comes, and does no more than that.
"""

from __future__ import annotations

import hmac

from airflow_async_provider import _settings as settings

#: Header of a report with its signature.
HEADER = "X-Async-Provider-Signature"

#: What the key is used for; another use of the same key gives other signatures.
_USE = b"airflow-async-provider: report of a triggerer, version 1"


def report_keys() -> list[bytes]:
    """What reports are signed with (the first one) and checked with; empty where there is nothing."""
    return [hmac.digest(key.encode(), _USE, "sha256") for key in settings.callback_keys()]


def signature_of(key: bytes, body: bytes) -> str:
    """The value of the header."""
    return hmac.new(key, body, "sha256").hexdigest()


def is_signed(keys: list[bytes], body: bytes, given: str) -> bool:
    """Whether one of the keys makes this signature."""
    fits = [hmac.compare_digest(signature_of(key, body).encode(), given.encode()) for key in keys]
    return any(fits)
