# SPDX-License-Identifier: Apache-2.0
"""
Push sources: an address that belongs to assets and not to a task.

What a source is lies in one Airflow connection (``async_push_<name>``), whose extra and password Airflow
encrypts: hashes of its addresses' secrets, the keys of its signatures, and how a delivery becomes an event.
Pure but for the clock: no network, no database.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from airflow_async_provider._callbacks.registration import DEFAULT_MAX_BYTES, too_deep
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._callback_rules import CallbackRule
from airflow_async_provider.protocols._http_messages import Headers
from airflow_async_provider.protocols._json_path import MISSING, parse, read
from airflow_async_provider.protocols._signature_forms import scheme_from
from airflow_async_provider.protocols._signatures import HmacScheme, SignatureScheme, keys_of

#: A source's name: it stands in its address and in its connection's id.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

CONNECTION_PREFIX = "async_push_"
CONNECTION_TYPE = "generic"

#: Names of assets that one delivery may be for, and fields of a payload.
MAX_ASSETS = 10
MAX_FIELDS = 50

#: Characters of an asset's name (Airflow's column).
MAX_ASSET_NAME = 1500

#: A payload beyond this is left out of the event (bytes of JSON): every event is read by every run that it
#: starts.
MAX_PAYLOAD = 64 * 1024

#: Events of one source a minute and API server process; the next ones are asked to come again.
PER_MINUTE = 120

#: MySQL refuses JSON beyond 100 levels, Airflow's API beyond some 250.
DEEPEST_PAYLOAD = 60

#: Headers that no event, name or condition sees, besides the one that the signature stands in.
HIDDEN = frozenset({"authorization", "proxy-authorization", "cookie"})

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")

#: Form of signature -> where the id of a delivery stands, and which deliveries are none.
_KNOWN: Mapping[str, Mapping[str, Any]] = {
    "standard-webhooks": {"delivery_id": "header.webhook-id"},
    "svix": {"delivery_id": "header.svix-id"},
    "stripe": {"delivery_id": "body.id"},
    "slack": {"delivery_id": "body.event_id", "ignore": ["body.type==url_verification"]},
    "github": {"delivery_id": "header.x-github-delivery", "ignore": ["header.x-github-event==ping"]},
    "shopify": {"delivery_id": "header.x-shopify-event-id"},
    "gitlab": {"delivery_id": "header.idempotency-key"},
}


@dataclass(frozen=True, slots=True)
class Address:
    """
    One address of a source.

    :param hash: SHA-256 of its secret
    :param made: epoch seconds
    :param until: epoch seconds after which it is no longer good; None: for good
    """

    hash: str
    made: float
    until: float | None = None

    def is_good(self, now: float) -> bool:
        """Whether its secret still counts."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    Somebody who pushes.

    :param name: matches :data:`NAME`
    :param assets: names or URIs of the assets that get an event; ``{body.…}`` and ``{header.…}`` in them are
        filled in from the delivery
    :param addresses: newest first
    :param signature: as :func:`~..protocols._signature_forms.scheme_from` takes it; empty: not signed
    :param keys: keys of the signature, newest first
    :param when: conditions of which one must hold, as in callback rules; empty: every delivery counts
    :param payload: field of the event's payload -> path in the delivery; empty: its whole body
    :param delivery_id: path of the sender's id of a delivery; empty: as the form of signature has it
    :param team: team that the events belong to, where ``[core] multi_team`` is on
    :param max_bytes: largest body
    :param per_minute: see :data:`PER_MINUTE`
    :raises ConfigurationError: something cannot be understood
    """

    name: str
    assets: tuple[str, ...]
    addresses: tuple[Address, ...] = ()
    signature: Any = None
    keys: tuple[str, ...] = field(default=(), repr=False)
    when: tuple[Any, ...] = ()
    payload: Mapping[str, str] = field(default_factory=dict)
    delivery_id: str = ""
    team: str | None = None
    max_bytes: int = DEFAULT_MAX_BYTES
    per_minute: int = PER_MINUTE

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ConfigurationError(
                "The name of a push source has 1 to 40 small letters, digits, - and _, and begins with a "
                f"letter or digit, unlike {self.name!r}."
            )
        if not 1 <= len(self.assets) <= MAX_ASSETS:
            raise ConfigurationError(f"A push source is for 1 to {MAX_ASSETS} assets.")
        if len(self.payload) > MAX_FIELDS:
            raise ConfigurationError(f"The payload of a push source has more than {MAX_FIELDS} fields.")
        if bool(self.signature) != bool(self.keys):
            raise ConfigurationError(
                f"The push source {self.name!r} has a key without a form of signature, or a form alone."
            )
        paths = [*self.payload.values(), *([self.delivery_id] if self.delivery_id else [])]
        paths += [path for asset in self.assets for path in _PLACEHOLDER.findall(asset)]
        for path in paths:
            _check_path(path)
        if self.signature:
            scheme_from(self.signature)
        CallbackRule(self.when, name="when")
        if self.max_bytes < 1 or self.per_minute < 1:
            raise ConfigurationError("max_bytes and per_minute of a push source are at least 1.")

    @property
    def conn_id(self) -> str:
        """The connection that holds it."""
        return f"{CONNECTION_PREFIX}{self.name}"

    @property
    def scheme(self) -> SignatureScheme | None:
        """How its deliveries are signed."""
        return scheme_from(self.signature) if self.signature else None

    @property
    def form(self) -> str:
        """The name of its form of signature, where it has one."""
        named = self.signature.get("kind") if isinstance(self.signature, Mapping) else self.signature
        return str(named or "").lower().replace("_", "-")

    def hashes(self, now: float) -> list[str]:
        """Hashes of the secrets that are good."""
        return [address.hash for address in self.addresses if address.is_good(now)]

    # -- in its connection

    @classmethod
    def from_connection(cls, conn: Any) -> Source:
        """
        Read it.

        :param conn: an Airflow connection
        :raises ConfigurationError: it describes no source
        """
        try:
            found = json.loads(conn.extra or "{}")
            return cls(
                name=conn.conn_id.removeprefix(CONNECTION_PREFIX),
                assets=tuple(_texts(found["assets"])),
                addresses=tuple(Address(**address) for address in found.get("addresses", ())),
                signature=found.get("signature"),
                keys=tuple(keys_of(conn.password)),
                when=tuple(found.get("when", ())),
                payload=dict(found.get("payload") or {}),
                delivery_id=str(found.get("delivery_id") or ""),
                team=found.get("team") or None,
                max_bytes=int(found.get("max_bytes", DEFAULT_MAX_BYTES)),
                per_minute=int(found.get("per_minute", PER_MINUTE)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as e:
            raise ConfigurationError(
                f"The connection {conn.conn_id!r} describes no push source: {type(e).__name__}"
            ) from e

    def to_connection(self) -> dict[str, Any]:
        """The connection's fields."""
        facts: dict[str, Any] = {
            "assets": list(self.assets),
            "addresses": [{"hash": a.hash, "made": a.made, "until": a.until} for a in self.addresses],
            "signature": self.signature,
            "when": list(self.when),
            "payload": dict(self.payload),
            "delivery_id": self.delivery_id,
            "team": self.team,
            "max_bytes": self.max_bytes,
            "per_minute": self.per_minute,
        }
        keys = list(self.keys)
        return {
            "conn_id": self.conn_id,
            "conn_type": CONNECTION_TYPE,
            "description": f"Push source {self.name} of airflow-async-provider",
            "password": (keys[0] if len(keys) == 1 else json.dumps(keys)) if keys else None,
            "extra": json.dumps(
                {name: value for name, value in facts.items() if value not in (None, "", [], {})}
            ),
        }

    def with_address(self, secret_hash: str, now: float, grace: float) -> Source:
        """
        The same with a new address, whose secret has this hash.

        :param grace: seconds for which the addresses before stay good
        """
        before = [a for a in self.addresses if a.is_good(now)]
        ending = [replace(a, until=min(a.until or math.inf, now + grace)) for a in before]
        return replace(self, addresses=(Address(secret_hash, now), *(a for a in ending if a.is_good(now))))

    # -- what a delivery says

    def document(self, headers: Headers, body: bytes) -> dict[str, Any]:
        """What paths are read in: ``body``, and ``header`` with its names in small letters."""
        scheme = self.scheme
        hidden = HIDDEN | ({str(getattr(scheme, "header", "")).lower()} if scheme else set())
        named = {name.lower(): value for name, value in headers.items() if name.lower() not in hidden}
        return {"body": body_of(headers, body), "header": named}

    def counts(self, document: Mapping[str, Any]) -> bool:
        """Whether a delivery is one for its assets."""
        if CallbackRule(_KNOWN.get(self.form, {}).get("ignore", []), name="ignore").holds(document):
            return False
        return not self.when or CallbackRule(self.when, name="when").holds(document) is not None

    def assets_of(self, document: Mapping[str, Any]) -> list[str]:
        """The names of the assets that a delivery is for; those that lack one of their parts are left out."""
        names = [_filled(template, document) for template in self.assets]
        return list(dict.fromkeys(name for name in names if 0 < len(name) <= MAX_ASSET_NAME))

    def payload_of(self, document: Mapping[str, Any]) -> tuple[Any, bool]:
        """What an event holds of a delivery, and whether that is too large to be held."""
        value = document["body"]
        if self.payload:
            found = {name: read(document, path) for name, path in self.payload.items()}
            value = {name: one for name, one in found.items() if one is not MISSING}
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
        return (value, False) if size <= MAX_PAYLOAD else (None, True)

    def id_of(self, document: Mapping[str, Any]) -> str:
        """The sender's id of a delivery; empty where it has none."""
        path = self.delivery_id or _KNOWN.get(self.form, {}).get("delivery_id") or self._id_header()
        return _word(read(document, path), 500) if path else ""

    def _id_header(self) -> str:
        header = getattr(self.scheme, "id", "")
        return f'header["{header.lower()}"]' if header else ""

    def signs_its_id(self) -> bool:
        """Whether nobody but the sender can give a delivery another id."""
        path = self.delivery_id or str(_KNOWN.get(self.form, {}).get("delivery_id", ""))
        scheme = self.scheme
        if not isinstance(scheme, HmacScheme):
            return False
        return path.startswith("body") or (
            "{id}" in scheme.signed and path in ("", f"header.{scheme.id.lower()}")
        )


def body_of(headers: Headers, body: bytes) -> Any:
    """
    A body as data: JSON, or a form (whose field ``payload`` is JSON with some senders); None for others.

    What databases refuse is replaced: NUL and half surrogates by ``?``, numbers beyond JSON by null.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            fields: dict[str, Any] = dict(
                parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)
            )
            if str(fields.get("payload", "")).lstrip().startswith("{"):
                fields["payload"] = json.loads(fields["payload"])
            found: Any = fields
        else:
            found = json.loads(body)
        return None if too_deep(found, DEEPEST_PAYLOAD) else _storable(found)
    except (ValueError, RecursionError):
        return None


def _storable(value: Any) -> Any:
    match value:
        case dict():
            return {_storable(str(name)): _storable(inner) for name, inner in value.items()}
        case list():
            return [_storable(inner) for inner in value]
        case str():
            return "".join("?" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)
        case float() if not math.isfinite(value):
            return None
    return value


def _word(value: Any, limit: int = MAX_ASSET_NAME) -> str:
    """A value as a part of a name: ASCII, as MySQL keeps names of assets so; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return text if text.isascii() and text.isprintable() and len(text) <= limit else ""


def _filled(template: str, document: Mapping[str, Any]) -> str:
    """An asset's name with its parts from a delivery; empty where one of them is missing."""
    parts = {path: _word(read(document, path)) for path in _PLACEHOLDER.findall(template)}
    return _PLACEHOLDER.sub(lambda found: parts[found[1]], template) if all(parts.values()) else ""


def _texts(value: Any) -> Iterable[str]:
    texts = [value] if isinstance(value, str) else list(value)
    if not all(isinstance(text, str) and text for text in texts):
        raise TypeError("texts are expected")
    return texts


def _check_path(path: str) -> None:
    try:
        steps = parse(path)
    except ValueError as e:
        raise ConfigurationError(str(e)) from e
    if not steps or steps[0] not in ("body", "header"):
        raise ConfigurationError(f"The path {path!r} begins neither with body nor with header.")
