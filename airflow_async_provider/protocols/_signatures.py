# SPDX-License-Identifier: Apache-2.0
"""
Whether a callback really comes from the remote: signatures over its raw body, described by data.

A scheme says where a signature stands and how it is made; it holds no key, so its description may be stored
next to a job while the key stays in the Airflow connection. What a sender signs is the exact bytes it sent:
verify before parsing, and never parse and serialise in between. The forms of known senders are in
:mod:`~airflow_async_provider.protocols._signature_forms`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
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

#: What the text of a key stands for: itself, or bytes.
KEYS = ("text", "base64", "hex")

#: A message whose signed moment is older or newer than this is refused (seconds): what the libraries of
#: Standard Webhooks, Svix, Stripe and Slack do.
TOLERANCE = 300.0

#: So many signatures of a list are looked at, and so many keys may be good at a time: more are no rotation.
MAX_SIGNATURES = 20
MAX_KEYS = 10

_PLACEHOLDER = re.compile(r"\{(body|timestamp|id)\}")


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

    def verify_any(self, keys: list[str], headers: Headers, body: bytes, *, now: float) -> bool:
        """Whether one of several keys fits; which of them does not show in the time it takes."""
        return sum(self.verify(key, headers, body, now=now) for key in keys) > 0

    def to_dict(self) -> dict[str, Any]:
        """The description, JSON-able, without any key and without what is as usual."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}  # type: ignore[arg-type] # each scheme is a dataclass
        return {"kind": self.kind, **values}


@dataclass(frozen=True, slots=True)
class HmacScheme(SignatureScheme):
    """
    One header with an HMAC, or with a list of them: the form that nearly all vendors use.

    Without a timestamp nothing is bound to a moment, so an old callback verifies for ever; what keeps it from
    doing harm is that a callback's address and its job id must fit as well.

    :param header: name of the header
    :param prefix: what stands before the signature in it (``sha256=``), compared exactly
    :param algorithm: one of :data:`ALGORITHMS`
    :param encoding: ``base64``, ``base64url`` (without padding) or ``hex`` (either case)
    :param signed: what is signed: ``{body}``, with ``{timestamp}`` and ``{id}`` where they are signed, too
        (``{id}.{timestamp}.{body}``)
    :param timestamp: where the moment stands (epoch seconds): the name of a header, or, when it ends with
        ``=``, how its part of the signature's own header begins (``t=``)
    :param id: name of the header with the id of the message
    :param separator: what stands between several signatures in the header; empty: there is one
    :param key: what the text of the key stands for: ``text`` (its UTF-8 bytes), ``base64`` or ``hex``
    :param key_prefix: what stands before a ``base64`` or ``hex`` key (``whsec_``), where it does
    :param tolerance: seconds by which the moment may differ from our clock, in both directions
    :raises ConfigurationError: no header, or a value that is unknown or contradicts another
    """

    kind: ClassVar[str] = "hmac"

    header: str
    prefix: str = ""
    algorithm: str = "sha256"
    encoding: str = "base64"
    signed: str = "{body}"
    timestamp: str = ""
    id: str = ""
    separator: str = ""
    key: str = "text"
    key_prefix: str = ""
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        _check_texts(self)
        for name, value, known in (
            ("algorithm", self.algorithm, ALGORITHMS),
            ("encoding", self.encoding, (*ENCODINGS,)),
            ("key", self.key, KEYS),
        ):
            if value not in known:
                raise ConfigurationError(
                    f"{value!r} is not an accepted {name} of a signature: use one of {', '.join(known)}."
                )
        used = set(_PLACEHOLDER.findall(self.signed))
        if "body" not in used or len(_PLACEHOLDER.findall(self.signed)) != len(used):
            raise ConfigurationError(
                f"What is signed must hold {{body}}, and each of its parts once, not {self.signed!r}."
            )
        if bool(self.timestamp) != ("timestamp" in used) or ("id" in used and not self.id):
            raise ConfigurationError(
                "A signature scheme with a timestamp has it in what is signed, else it proves nothing, and "
                "{timestamp} or {id} there need the header in which they stand."
            )
        if self.timestamp.endswith("=") and not self.separator:
            raise ConfigurationError("A timestamp within the signature's header needs a separator.")
        tolerance: Any = self.tolerance  # as a connection has it
        if not isinstance(tolerance, int | float) or not 0 < tolerance < float("inf"):
            raise ConfigurationError("The tolerance of a signature must be a number of seconds above 0.")

    def verify(self, key: str | bytes, headers: Headers, body: bytes, *, now: float = 0.0) -> bool:
        """Compare every signature of the header in constant time; see :meth:`SignatureScheme.verify`."""
        given, secret = headers.get(self.header), self._secret(key)
        if given is None or not secret:
            return False
        parts = given.split(self.separator) if self.separator else [given]
        parts = [part.strip(" \t") for part in parts]
        moment = self._moment(headers, parts)
        message_id = headers.get(self.id, "").strip(" \t") if self.id else ""
        if self.timestamp and not (moment and abs(now - int(moment)) <= self.tolerance):
            return False
        if "{id}" in self.signed and not message_id:
            return False
        expected = self._digest(secret, {"timestamp": moment, "id": message_id}, body)
        matches = False
        for one in self._signatures(parts):
            # The text is compared, not what it decodes to: many texts decode to the same bytes in lenient
            # decoders, and a signature that only nearly looks like the sender's is none. No early end: how
            # many signatures fit must not show in the time it takes.
            matches |= _same(expected, one)
        return matches

    def _signatures(self, parts: list[str]) -> Iterator[str]:
        found = [part[len(self.prefix) :] for part in parts if part.startswith(self.prefix)]
        for one in found[:MAX_SIGNATURES]:
            yield one.lower() if self.encoding == "hex" else one

    def _moment(self, headers: Headers, parts: list[str]) -> str:
        """The timestamp as it was sent; empty where it is none."""
        if not self.timestamp.endswith("="):
            text = headers.get(self.timestamp, "").strip(" \t") if self.timestamp else ""
        else:
            found = [p[len(self.timestamp) :] for p in parts if p.startswith(self.timestamp)]
            text = found[0] if len(found) == 1 else ""
        return text if text.isascii() and text.isdigit() and len(text) <= 15 else ""

    def _digest(self, secret: bytes, values: Mapping[str, str], body: bytes) -> str:
        mac = hmac.new(secret, digestmod=self.algorithm)
        for number, text in enumerate(_PLACEHOLDER.split(self.signed)):
            named = number % 2 == 1  # what the pattern has found stands between the rest
            part = values.get(text, "") if named else text
            mac.update(body if named and text == "body" else part.encode("utf-8", "backslashreplace"))
        return ENCODINGS[self.encoding](mac.digest())

    def _secret(self, key: str | bytes) -> bytes:
        """The bytes of a key; none where its text is no such key."""
        if self.key == "text":
            return key.encode("utf-8") if isinstance(key, str) else key
        text = key.decode("ascii", "replace") if isinstance(key, bytes) else key
        text = text.removeprefix(self.key_prefix)
        try:
            if self.key == "hex":
                return binascii.unhexlify(text)
            # Padding may be missing: the reference library of Standard Webhooks makes up for it.
            return base64.b64decode((text + "=" * (-len(text) % 4)).encode(), validate=True)
        except (binascii.Error, ValueError):
            return b""


@dataclass(frozen=True, slots=True)
class TokenScheme(SignatureScheme):
    """
    A header that holds the shared secret itself, as GitLab's does: it proves who sends, not what is sent.

    :param header: name of the header
    :param prefix: what stands before the secret in it (``Bearer``, with its blank), compared exactly
    :raises ConfigurationError: no header
    """

    kind: ClassVar[str] = "token"

    header: str
    prefix: str = ""

    def __post_init__(self) -> None:
        _check_texts(self)

    def verify(self, key: str | bytes, headers: Headers, body: bytes, *, now: float = 0.0) -> bool:
        """Compare in constant time; see :meth:`SignatureScheme.verify`."""
        given = headers.get(self.header)
        if given is None or not key:
            return False
        text = key.decode("utf-8", "replace") if isinstance(key, bytes) else key
        return _same(self.prefix + text, given.strip(" \t"))


def keys_of(value: Any) -> list[str]:
    """
    The keys that are good at a time, newest first: one text, a list, or a text that holds a JSON list.

    :param value: as a connection has it
    :raises ConfigurationError: it is neither, or there are more than :data:`MAX_KEYS`
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            value = [value]  # a key may begin so
    keys = [value] if isinstance(value, str) else value
    if not keys:
        return []
    if not isinstance(keys, list) or len(keys) > MAX_KEYS or not all(isinstance(k, str) for k in keys):
        raise ConfigurationError(f"Keys of signatures are a text, or a list of at most {MAX_KEYS} texts.")
    return [key for key in keys if key]


def _check_texts(scheme: SignatureScheme) -> None:
    """Refuse values of another kind, which would only show when a callback comes."""
    texts = {f.name: getattr(scheme, f.name) for f in fields(scheme) if f.name != "tolerance"}  # type: ignore[arg-type] # each scheme is a dataclass
    if wrong := [name for name, value in texts.items() if not isinstance(value, str)]:
        raise ConfigurationError(f"{', '.join(wrong)} of a signature scheme: text is expected.")
    if not texts["header"]:
        raise ConfigurationError("A signature scheme needs the name of a header.")


def _same(expected: str, given: str) -> bool:
    # compare_digest takes no text beyond ASCII, and a header may hold anything.
    return hmac.compare_digest(
        expected.encode("utf-8", "backslashreplace"), given.encode("utf-8", "backslashreplace")
    )
