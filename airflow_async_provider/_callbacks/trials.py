# SPDX-License-Identifier: Apache-2.0
"""
Test deliveries: a person tries the way from outside to a waiting task or a push source, and nothing happens.

The address is the real one with another secret, which is good for some minutes and for this only. Nothing is
stored for it: the secret holds its own end, and a code over it that is made with the key that workers and
API server share. What comes to it goes through the same door, is read as a real delivery would be, and the
answer says what would have become of it.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Any

from airflow_async_provider import _settings as settings
from airflow_async_provider._callbacks import address
from airflow_async_provider._callbacks.address import CallbackAddress, TaskKey
from airflow_async_provider._callbacks.doors import Door, Recipient
from airflow_async_provider._callbacks.pushing import Outcome
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http_messages import Headers

#: The address of a test is good for so long (seconds).
GOOD_FOR = 600

TEST = "test"

_USE = b"airflow-async-provider: secret of a test delivery, version 1"

#: Hexadecimal digits of the moment at which a secret ends, and random characters before them.
_DIGITS, _RANDOM = 8, 13


def new_address(base_url: str, about: TaskKey | str) -> CallbackAddress:
    """
    The address of a test, good for :data:`GOOD_FOR` seconds.

    :param base_url: where the API server is reached from outside
    :param about: a waiting task, or the name of a push source
    :raises ConfigurationError: there is no key, or the base URL is not a plain one
    """
    if isinstance(about, TaskKey):
        made, proven = address.new_address(base_url, about), about.encode()
    else:
        made, proven = address.new_source_address(base_url, about), address.source_proof(about)
    keys = settings.callback_keys()
    if not keys:
        raise ConfigurationError(
            "A test delivery needs [async_provider] callback_key or [core] fernet_key on the API server."
        )
    until = f"{int(time.time()) + GOOD_FOR:0{_DIGITS}x}"
    begun = secrets.token_urlsafe(_RANDOM)[:_RANDOM] + until
    return CallbackAddress(made.url, address.with_proof(proven, begun + _code(keys[0], proven, begun)))


def _code(key: str, proven: str, begun: str) -> str:
    own = hmac.digest(key.encode(), _USE, "sha256")
    digest = hmac.digest(own, f"{proven}/{begun}".encode(), "sha256")
    length = address.RANDOM_LENGTH - _RANDOM - _DIGITS
    return base64.urlsafe_b64encode(digest)[:length].decode("ascii")


def authenticate(door: Door, token: str, secret: str | None) -> Trial | None:
    """
    The test that a secret is for; None where it is for none, or no longer.

    :param secret: one that carries a proof
    :raises Exception: what the database raises
    """
    proven = door.proof_of(token, secret or "")
    begun, code = (secret or "")[: _RANDOM + _DIGITS], (secret or "").partition(".")[0][_RANDOM + _DIGITS :]
    if proven is None:
        return None
    fits = [hmac.compare_digest(_code(key, proven, begun), code) for key in settings.callback_keys()]
    if not any(fits) or time.time() > int(begun[_RANDOM:], 16):
        return None
    real = door.known(token)
    return None if real is None else Trial(real)


class Trial(Recipient):
    """Where nothing goes: what comes is looked at as the real recipient would."""

    def __init__(self, real: Recipient) -> None:
        super().__init__(f"{real.name}, a test", real.max_bytes, real.tags, signed=real.signed)
        self._real = real

    def signature_fits(self, headers: Headers, body: bytes) -> bool:
        """What is not signed, or wrongly, is answered like all else: with what would have become of it."""
        return True

    def take(self, headers: Headers, body: bytes) -> Outcome:
        fits = self._real.signature_fits(headers, body)
        checked = {"signature": ("fits" if fits else "does not fit") if self.signed else "not wanted"}
        became = self.try_out(headers, body) if fits else {"would": "be refused"}
        return Outcome(TEST, {TEST: {**checked, **became}})

    def try_out(self, headers: Headers, body: bytes) -> Mapping[str, Any]:
        return self._real.try_out(headers, body)

    def delivery_id(self, headers: Headers, body: bytes) -> str:
        return self._real.delivery_id(headers, body)

    def record(self, outcome: str, size: int, delivery_id: str) -> None:
        self._real.record(outcome if outcome == TEST else f"{TEST} {outcome}", size, delivery_id)
