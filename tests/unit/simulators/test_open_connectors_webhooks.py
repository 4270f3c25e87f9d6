# SPDX-License-Identifier: Apache-2.0
"""Webhooks of the simulated SAP Open Connectors: signatures, and what can be wrong with them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from airflow_async_provider.simulators._journal import Journal
from airflow_async_provider.simulators._open_connectors_webhooks import TAMPERED, Webhooks, sign

HEADER = "Elements-Webhook-Signature"


def test_the_signature_is_of_the_bytes() -> None:
    expected = base64.b64encode(hmac.digest(b"key", b"{}", hashlib.sha256)).decode()
    assert sign("key", b"{}") == f"sha256={expected}"


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_webhook_is_never_right(how: str) -> None:
    body = b'{"a":1}'
    sent, headers = TAMPERED[how]("key", body, {HEADER: sign("key", body)})
    assert headers.get(HEADER) != sign("key", sent)
    if how == "reencoded":
        assert json.loads(sent) == json.loads(body)


def test_a_delivery_keeps_its_address_to_itself() -> None:
    webhooks = Webhooks(now=lambda: 0.0, journal=Journal(), key="key")
    webhooks.expect("https://airflow/secret", {"a": 1}, notification_id="7", at=5.0)
    [delivery] = webhooks.deliveries
    assert delivery.body == b'{"a":1}'
    assert "secret" not in repr(delivery)
    assert "secret" not in str(delivery.to_dict())
    webhooks.clear()
    assert webhooks.deliveries == []


def test_an_unknown_policy() -> None:
    with pytest.raises(ValueError, match="policy"):
        Webhooks(now=lambda: 0.0, journal=Journal(), key=None, policy="give up")
