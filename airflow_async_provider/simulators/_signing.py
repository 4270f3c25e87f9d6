# SPDX-License-Identifier: Apache-2.0
"""
How senders sign what they send: the other side of the receiver's checks, written without them.

Each form is made as its vendor's documentation says, and the tests have the vendors' own libraries read it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """
    What is signed.

    :param id: the sender's name of the delivery
    :param moment: epoch seconds
    :param body: raw bytes
    """

    id: str
    moment: int
    body: bytes


Sign = Callable[[str, Message], dict[str, str]]


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def _standard(names: str) -> Sign:
    """Standard Webhooks 1.0.0, and Svix, which has the same under other names."""

    def sign(key: str, message: Message) -> dict[str, str]:
        secret = base64.b64decode(key.removeprefix("whsec_") + "==")
        mac = _mac(secret, f"{message.id}.{message.moment}.".encode() + message.body)
        return {
            f"{names}-id": message.id,
            f"{names}-timestamp": str(message.moment),
            f"{names}-signature": f"v1,{base64.b64encode(mac).decode()}",
        }

    return sign


def _stripe(key: str, message: Message) -> dict[str, str]:
    mac = _mac(key.encode(), f"{message.moment}.".encode() + message.body)
    return {"Stripe-Signature": f"t={message.moment},v1={mac.hex()}"}


def _slack(key: str, message: Message) -> dict[str, str]:
    mac = _mac(key.encode(), f"v0:{message.moment}:".encode() + message.body)
    return {"X-Slack-Request-Timestamp": str(message.moment), "X-Slack-Signature": f"v0={mac.hex()}"}


def _github(key: str, message: Message) -> dict[str, str]:
    mac = _mac(key.encode(), message.body)
    return {"X-GitHub-Delivery": message.id, "X-Hub-Signature-256": f"sha256={mac.hex()}"}


def _shopify(key: str, message: Message) -> dict[str, str]:
    mac = base64.b64encode(_mac(key.encode(), message.body)).decode()
    return {"X-Shopify-Event-Id": message.id, "X-Shopify-Hmac-Sha256": mac}


def _gitlab(key: str, message: Message) -> dict[str, str]:
    return {"Idempotency-Key": message.id, "X-Gitlab-Token": key}


def _unsigned(key: str, message: Message) -> dict[str, str]:
    return {}


#: name of the form -> the headers that it adds
FORMS: Mapping[str, Sign] = {
    "none": _unsigned,
    "standard-webhooks": _standard("webhook"),
    "svix": _standard("svix"),
    "stripe": _stripe,
    "slack": _slack,
    "github": _github,
    "shopify": _shopify,
    "gitlab": _gitlab,
}

#: Those that sign a moment, so that an old one can be refused.
TIMED = ("standard-webhooks", "svix", "stripe", "slack")


def other_key(key: str) -> str:
    """A key of the same form that is another one."""
    if not key.startswith("whsec_"):
        return f"{key}x"
    turned = bytes(b ^ 1 for b in base64.b64decode(key.removeprefix("whsec_") + "=="))
    return f"whsec_{base64.b64encode(turned).decode()}"
