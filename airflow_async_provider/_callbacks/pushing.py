# SPDX-License-Identifier: Apache-2.0
"""
From a received request to an asset event: authenticate, read, recognise repeats, make the event.

The counterpart of :mod:`~airflow_async_provider._callbacks.handling` for push sources. Runs in a thread.
"""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_async_provider._callbacks import airflow_assets as assets
from airflow_async_provider._callbacks import airflow_internals as internals
from airflow_async_provider._callbacks import deliveries
from airflow_async_provider._callbacks.address import matches
from airflow_async_provider._callbacks.registration import NO_HASH
from airflow_async_provider._callbacks.sources import CONNECTION_PREFIX, NAME, Source
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._http_messages import Headers

log = logging.getLogger(__name__)

#: A source is read again after so long, and after a shorter time when a secret or signature does not fit: its
#: keys may be new (seconds).
MAX_AGE = 60.0
MIN_AGE = 5.0

#: So many addresses of a source may be good at a time: as many are compared, whether it is there or not.
MAX_ADDRESSES = 5

EVENT = "event"
DUPLICATE = "duplicate"
IGNORED = "ignored"
NO_ASSET = "no_asset"
TOO_MANY = "too_many"
REPLAYED = "replayed"

#: Outcomes that are written down in the transaction of the event.
RECORDED = frozenset({EVENT, DUPLICATE})


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a delivery.

    :param value: one word, for logs, metrics and the record
    :param answer: the response to the sender
    :param retry_after: seconds after which it shall come again; 0: it was taken
    """

    value: str
    answer: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int = 0


def authenticate(name: str, secret: str | None, *, proven: bool) -> Source | None:
    """
    The source that a secret proves; None for an unknown source and for a wrong secret alike.

    :param name: from the path
    :param secret: from the path or the Authorization header
    :param proven: whether the secret carries a proof: only then is the source taken from memory, so that
        nobody else can learn from the response time which sources there are
    :raises Exception: what a secrets backend or the database raises
    """
    for max_age in (MAX_AGE, MIN_AGE) if proven else (0.0,):
        source = _sources.get(name, max_age)
        hashes = source.hashes(time.time()) if source else []
        fits = [matches(secret, known) for known in [*hashes, *[NO_HASH] * MAX_ADDRESSES][:MAX_ADDRESSES]]
        if source and any(fits):
            return source
    return None


def known(name: str) -> Source | None:
    """
    A source, for a caller that is authorized in another way; None where there is none.

    :raises Exception: what a secrets backend or the database raises
    """
    return _sources.get(name, MIN_AGE)


def signature_fits(source: Source, headers: Headers, body: bytes) -> bool:
    """Whether a delivery is signed as its source has it, where it has a key."""
    for max_age in (MAX_AGE, MIN_AGE):
        current = _sources.get(source.name, max_age)
        if current is None:
            return False
        scheme = current.scheme
        if scheme is None or scheme.verify_any(list(current.keys), headers, body, now=time.time()):
            return True
    return False


def take(source: Source, headers: Headers, body: bytes) -> Outcome:
    """
    Make the events of an authentic delivery, once: one transaction.

    :raises Exception: what the database raises; nothing was made then
    """
    if wait := _rates.wait(source):
        return Outcome(TOO_MANY, retry_after=wait)
    document = source.document(headers, body)
    if challenge := _challenge(source, document):
        return Outcome(IGNORED, {"challenge": challenge})
    if not source.counts(document):
        return Outcome(IGNORED)
    names = source.assets_of(document)
    if not names:
        return Outcome(NO_ASSET)
    return _make_events(source, document, names, headers, body)


def try_out(source: Source, headers: Headers, body: bytes) -> tuple[str, list[str] | None, Any]:
    """
    What a delivery would bring about, in words, for which assets, and with which payload; nothing is made.

    :raises Exception: what the database raises
    """
    document = source.document(headers, body)
    if _challenge(source, document):
        return "have its challenge answered", None, None
    if not source.counts(document):
        return "be ignored: no condition holds", None, None
    with internals.transaction() as session:
        found = [asset.name for asset in assets.lock_assets(session, source.assets_of(document))]
        key = _key(source, source.id_of(document), headers, body)
        repeated = deliveries.is_repeated(session, source.name, key)
        session.rollback()  # neither locked nor counted
    payload, truncated = source.payload_of(document)
    if not found:
        return "make no event: no DAG knows an asset of this name", source.assets_of(document), payload
    would = "be a duplicate" if repeated else "make an event of each asset"
    return would + (", without its payload, which is too large" if truncated else ""), found, payload


def _make_events(
    source: Source, document: Mapping[str, Any], names: list[str], headers: Headers, body: bytes
) -> Outcome:
    delivery_id = source.id_of(document)
    key = _key(source, delivery_id, headers, body)
    payload, truncated = source.payload_of(document)
    extra = {
        "source": source.name,
        "delivery_id": delivery_id or None,
        "received_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "payload": payload,
        "payload_truncated": truncated,
    }
    later: list[Callable[[], None]] = []
    with internals.transaction() as session:
        found = assets.lock_assets(session, names)
        if not found:
            return Outcome(NO_ASSET)
        if deliveries.is_repeated(session, source.name, key):
            return Outcome(DUPLICATE)
        made = [assets.add_event(session, asset, extra, source.team, later) for asset in found]
        named = [asset.name for asset in found]
        deliveries.record_event(
            *(session, source.name, len(body), delivery_id),
            team=source.team,
            key=key,
            assets=named,
            events=made,
        )
    _notify(later)
    return Outcome(EVENT)


def _notify(later: list[Callable[[], None]]) -> None:
    for notify in later:
        try:
            notify()
        except Exception as e:  # noqa: BLE001 - a listener; the event is there whatever it does
            log.warning("A listener for asset events failed: %s", type(e).__name__)


def replay(number: int, by: str) -> list[str]:
    """
    Make the events of a recorded delivery once more: its payload lies in the events that it made.

    :param number: of the delivery in the record
    :param by: the name of the user who wants it
    :return: names of the assets that have a new event; empty where the delivery made none, or they are gone
    :raises Exception: what the database raises; nothing was made then
    """
    later: list[Callable[[], None]] = []
    with internals.transaction() as session:
        row = deliveries.find(session, number)
        if row is None or row.task is not None:
            return []
        facts = row.facts
        before = [assets.event_of(session, event) for event in facts.get("events") or []]
        held = {asset.name: extra for asset, extra in filter(None, before)}
        found = assets.lock_assets(session, list(held)) if held else []
        source = _sources.get(row.source, MAX_AGE)
        team = source.team if source else None
        again = {"replayed_at": datetime.now(UTC).isoformat(timespec="milliseconds"), "replayed_by": by}
        made = [assets.add_event(session, a, {**held[a.name], **again}, team, later) for a in found]
        named = [asset.name for asset in found]
        if named:
            deliveries.record_event(
                *(session, row.source, int(facts.get("bytes", 0)), str(facts.get("id", ""))),
                team=team,
                key="",
                outcome=REPLAYED,
                assets=named,
                events=made,
                replay_of=number,
                by=by,
            )
    _notify(later)
    return named


def _key(source: Source, delivery_id: str, headers: Headers, body: bytes) -> str:
    """What a repeated delivery has again; empty where one with the same body may be a new one."""
    parts: list[bytes] = []
    if delivery_id:
        # An id that nobody signs could be put on another body: with it, both must be the same.
        parts = [delivery_id.encode(), b"" if source.signs_its_id() else body]
    elif getattr(source.scheme, "timestamp", ""):
        # The moment is signed, so the same signature is the same request.
        parts = [headers.get(getattr(source.scheme, "header", ""), "").encode(), body]
    if not parts:
        return ""
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts))
    return digest.hexdigest()[:32]


def _challenge(source: Source, document: Mapping[str, Any]) -> str:
    """
    What Slack wants to read back before it sends anything.

    Source: Slack "url_verification event": the value of ``challenge``, answered within three seconds.
    """
    body = document["body"]
    if source.form != "slack" or not isinstance(body, dict) or body.get("type") != "url_verification":
        return ""
    return str(body.get("challenge", ""))[:500]


class _Sources:
    """Sources by name, read again from time to time."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Source]] = {}
        self._lock = threading.Lock()

    def get(self, name: str, max_age: float) -> Source | None:
        """
        A source; None where there is none, or where its connection describes none.

        :param max_age: seconds for which one that is known already will do
        """
        with self._lock:
            known = self._known.get(name)
        if known and time.monotonic() < known[0] + max_age:
            return known[1]
        source = self._read(name)
        with self._lock:
            if source is None:  # unknown names are not kept: anybody can make them up
                self._known.pop(name, None)
            else:
                self._known[name] = (time.monotonic(), source)
        return source

    def _read(self, name: str) -> Source | None:
        connection = internals.connection_of(CONNECTION_PREFIX + name) if NAME.fullmatch(name) else None
        if connection is None:
            return None
        try:
            return Source.from_connection(connection)
        except ConfigurationError as e:
            log.warning("A push source cannot be used: %s", e)
            return None


class _Rates:
    """How many deliveries of each source may still be taken in this process now."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, source: Source) -> int:
        """Seconds until the next one may be taken; 0: this one may, and is counted."""
        now, limit = time.monotonic(), float(source.per_minute)
        with self._lock:
            left, at = self._left.get(source.name, (limit, now))
            left = min(limit, left + (now - at) * limit / 60)
            taken = left >= 1
            self._left[source.name] = (left - taken, now)
        return 0 if taken else math.ceil((1 - left) * 60 / limit)


_sources = _Sources()
_rates = _Rates()
