# SPDX-License-Identifier: Apache-2.0
"""Callbacks of the generic simulator: their signatures."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from airflow_async_provider.simulators._http_callbacks import HMAC_HEADER, Callbacks
from airflow_async_provider.simulators._journal import Journal

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def callbacks(signature: str | None, secret: str = KEY) -> Callbacks:
    options: dict[str, Any] = {"journal": Journal(), "payload": lambda job: {}, "copies": 1, "tries": 1}
    return Callbacks(now=lambda: 0.0, signature=signature, secret=secret, pause=0.0, **options)


def test_hmac_is_of_the_bytes_that_are_sent() -> None:
    found = callbacks("hmac", "key").signed("msg_1", b"{}")
    assert found == {HMAC_HEADER: "sha256=" + hmac.new(b"key", b"{}", hashlib.sha256).hexdigest()}


def test_standard_webhooks_are_verified_by_the_package_itself() -> None:
    headers = callbacks("standard").signed("msg_1", b"{}")
    assert headers["webhook-id"] == "msg_1"
    assert headers["webhook-signature"].startswith("v1,")
    other = callbacks("standard").signed("msg_2", b"{}")
    assert other["webhook-signature"] != headers["webhook-signature"]


def test_none_and_unknown_ones() -> None:
    assert callbacks(None).signed("msg_1", b"{}") == {}
    with pytest.raises(ValueError, match="callback_signature"):
        callbacks("md5")
