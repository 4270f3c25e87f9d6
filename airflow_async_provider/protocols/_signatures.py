# SPDX-License-Identifier: Apache-2.0
"""
Whether a callback really comes from the remote: signatures over its raw body, described by data.

A scheme says where a signature stands and how it is made; it holds no key, so its description may be stored
next to a job while the key stays in the Airflow connection. What a sender signs is the exact bytes it sent:
verify before parsing, and never parse and serialise in between.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http_messages import Headers

#: SHA-1 and MD5 are left out on purpose: a sender that still signs with them is refused, not trusted less.
ALGORITHMS = ("sha256", "sha384", "sha512")

ENCODINGS: Mapping[str, Callable[[bytes], str]] = {
    "base64": lambda digest: base64.b64encode(digest).decode("ascii"),
    "base64url": lambda digest: base64.urlsafe_b64encode(digest).decode("ascii").rstrip("="),
    "hex": bytes.hex,
}

#: Standard Webhooks, reference libraries: a message older or newer than this is refused (seconds).
STANDARD_TOLERANCE = 300.0


class SignatureScheme(ABC):
    """How one remote signs its callbacks."""

    #: name of the kind of scheme in :meth:`to_dict`
    kind: ClassVar[str]

    @abstractmethod
    def verify(self, key: str | bytes, headers: Headers, body: bytes, *, now: float) -> bool:
        """
        Whether the callback carries a signature made with this key over exactly this body.

        Never raises for anything that a sender can control.

        :param key: the shared secret as the connection has it; an empty one verifies nothing
        :param headers: headers of the callback
        :param body: its raw bytes
        :param now: epoch seconds, for schemes that refuse old messages
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The description, JSON-able, without any key."""


@dataclass(frozen=True, slots=True)
class HmacScheme(SignatureScheme):
    """
    One header with an HMAC over the raw body, the form that most vendors use.

    Nothing in it is bound to a moment, so an old callback verifies for ever; what keeps it from doing harm is
    that a callback's address and its job id must fit as well.

    :param header: name of the header
    :param prefix: what stands before the signature in it (``sha256=``), compared exactly
    :param algorithm: one of :data:`ALGORITHMS`
    :param encoding: ``base64``, ``base64url`` (without padding) or ``hex`` (either case)
    :raises ConfigurationError: unknown algorithm or encoding, or no header
    """

    kind: ClassVar[str] = "hmac"

    header: str
    prefix: str = ""
    algorithm: str = "sha256"
    encoding: str = "base64"

    def __post_init__(self) -> None:
        if not self.header:
            raise ConfigurationError("A signature scheme needs the name of a header.")
        if self.algorithm not in ALGORITHMS:
            raise ConfigurationError(
                f"{self.algorithm!r} is no accepted signature algorithm: use one of {', '.join(ALGORITHMS)}."
            )
        if self.encoding not in ENCODINGS:
            raise ConfigurationError(
                f"{self.encoding!r} is no known signature encoding: choose one of {', '.join(ENCODINGS)}."
            )

    def verify(self, key: str | bytes, headers: Headers, body: bytes, *, now: float = 0.0) -> bool:
        """
        Compare in constant time; see :meth:`SignatureScheme.verify`.

        :param key: text is taken as UTF-8 bytes, never decoded
        :param now: not used, this scheme has no time in it
        """
        given = headers.get(self.header)
        if given is None or not key:
            return False
        given = given.strip(" \t")
        if not given.startswith(self.prefix):
            return False
        given = given[len(self.prefix) :]
        if self.encoding == "hex":
            given = given.lower()
        # The text is compared, not what it decodes to: many texts decode to the same bytes in lenient
        # decoders, and a signature that only nearly looks like the sender's is none.
        return _same(self._digest(key, body), given)

    def _digest(self, key: str | bytes, body: bytes) -> str:
        return ENCODINGS[self.encoding](hmac.digest(_bytes(key), body, self.algorithm))

    def to_dict(self) -> dict[str, Any]:
        """The description, JSON-able."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True)
class StandardWebhooks(SignatureScheme):
    """
    Standard Webhooks 1.0.0, symmetric signatures (``v1``).

    Source: the Standard Webhooks specification and its reference library: ``webhook-id``,
    ``webhook-timestamp`` (epoch seconds) and ``webhook-signature`` (a list separated by blanks, so that keys
    can be changed without a gap); signed is ``{id}.{timestamp}.{body}``; the key is ``whsec_`` and base64.

    :param tolerance: seconds by which the timestamp may differ from our clock, in both directions
    :raises ConfigurationError: a tolerance that is no positive number
    """

    kind: ClassVar[str] = "standard_webhooks"

    tolerance: float = STANDARD_TOLERANCE

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < float("inf"):
            raise ConfigurationError(
                "The tolerance of Standard Webhooks must be a number of seconds above 0."
            )

    def verify(self, key: str | bytes, headers: Headers, body: bytes, *, now: float) -> bool:
        """Compare every ``v1`` signature of the list in constant time; see :meth:`SignatureScheme.verify`."""
        secret = _standard_key(key)
        message_id = headers.get("webhook-id", "").strip(" \t")
        timestamp = headers.get("webhook-timestamp", "").strip(" \t")
        if not secret or not message_id or not (timestamp.isascii() and timestamp.isdigit()):
            return False
        if len(timestamp) > 15 or abs(now - int(timestamp)) > self.tolerance:
            return False
        signed = f"{message_id}.{timestamp}.".encode("utf-8", "backslashreplace") + body
        expected = ENCODINGS["base64"](hmac.digest(secret, signed, hashlib.sha256))
        matches = False
        for signature in headers.get("webhook-signature", "").split(" "):
            version, _, value = signature.partition(",")
            # No early end: how many signatures fit must not show in the time it takes.
            matches |= version == "v1" and _same(expected, value)
        return matches

    def to_dict(self) -> dict[str, Any]:
        """The description, JSON-able."""
        return {"kind": self.kind, **asdict(self)}


def scheme_from_dict(value: Any) -> SignatureScheme:
    """
    Rebuild a scheme from :meth:`SignatureScheme.to_dict`, or from what a user wrote in a connection.

    ``kind`` may be left out for an HMAC scheme.

    :raises ConfigurationError: it describes no scheme
    """
    if not isinstance(value, Mapping):
        raise ConfigurationError("A signature scheme is a dictionary such as {'header': …, 'prefix': …}.")
    kind = value.get("kind", HmacScheme.kind)
    schemes: Mapping[str, type[SignatureScheme]] = {s.kind: s for s in (HmacScheme, StandardWebhooks)}
    if kind not in schemes:
        raise ConfigurationError(f"{kind!r} is no kind of signature: choose one of {', '.join(schemes)}.")
    try:
        return schemes[kind](**{k: v for k, v in value.items() if k != "kind"})
    except TypeError as e:
        raise ConfigurationError(f"This is no signature scheme of the kind {kind!r}: {e}") from e


def _standard_key(key: str | bytes) -> bytes:
    text = key.decode("ascii", "replace") if isinstance(key, bytes) else key
    try:
        return base64.b64decode(text.removeprefix("whsec_").encode(), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _same(expected: str, given: str) -> bool:
    # compare_digest takes no text beyond ASCII, and a header may hold anything.
    return hmac.compare_digest(expected.encode("ascii"), given.encode("utf-8", "backslashreplace"))


def _bytes(key: str | bytes) -> bytes:
    return key.encode("utf-8") if isinstance(key, str) else key
