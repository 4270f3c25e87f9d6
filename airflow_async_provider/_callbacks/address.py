# SPDX-License-Identifier: Apache-2.0
"""
The address of a callback: which task it is for, and the one-time secret that proves its sender.

The address names the task instance and its try, encoded once so that run ids with ``+`` and ``:`` survive
every proxy. From Airflow 3.4 on the try is what distinguishes the iterations of a loop.
The secret is 256 random bits; only its SHA-256 is kept, which is enough for a value that cannot be guessed. A
proof follows it where workers and API server share a key, so that a forgery is recognised without the
database. Senders that can set headers carry it as ``Authorization: Bearer``, all others at the end of the
path.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from airflow_async_provider import _settings as settings
from airflow_async_provider._callbacks.registration import MAX_PARTIES, NO_HASH
from airflow_async_provider._urls import is_plain_base
from airflow_async_provider.errors import ConfigurationError

#: Where the receiver is mounted in Airflow's API server.
PREFIX = "/async-provider"
ROUTE = "/callbacks/v1"
SOURCES = "/sources/v1"
HEALTH = "/health"

#: What follows the secret in the address of a confirm page.
CONFIRM = "/confirm"

#: No Airflow has longer task identities than this: dag, run and task ids hold 250 characters
#: each, which are at most six bytes in JSON.
MAX_TOKEN = 8192

#: No secret is longer than this either.
MAX_SECRET = 512

#: Characters of the random part of a secret, and of its proof.
RANDOM_LENGTH = 43
PROOF_LENGTH = 16

_SECRET = re.compile(rf"[\w-]{{{RANDOM_LENGTH}}}(\.[\w-]{{{PROOF_LENGTH}}})?", re.ASCII)

#: What keys are used for; another use of the same key gives other hashes.
_USE = b"airflow-async-provider: secret of a callback, version 1"


@dataclass(frozen=True, slots=True)
class TaskKey:
    """
    The task instance that a callback is for.

    :param attempt: UUID of the try in which the job was submitted, as 32 hexadecimal digits; empty where it
        is not known, as where a person names the task
    :param party: which of several parties the address was made for; -1 where there is one only
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    attempt: str = ""
    party: int = -1

    @property
    def where(self) -> dict[str, Any]:
        """What Airflow calls the task instance by, in any of its tries."""
        return {name: getattr(self, name) for name in ("dag_id", "run_id", "task_id", "map_index")}

    def encode(self) -> str:
        """One path segment of unreserved characters."""
        identity = [self.dag_id, self.run_id, self.task_id, self.map_index]
        named = [*identity, self.attempt] if self.attempt or self.party >= 0 else identity
        named += [self.party] if self.party >= 0 else []
        parts = json.dumps(named, separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(parts.encode()).decode("ascii").rstrip("=")

    @classmethod
    def decode(cls, token: str) -> TaskKey | None:
        """The task instance in a path segment, None for anything that :meth:`encode` did not make."""
        if not token or len(token) > MAX_TOKEN or not token.isascii():
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            parts = json.loads(raw)
        except (binascii.Error, ValueError, RecursionError):
            return None
        match parts:
            case [str(dag_id), str(run_id), str(task_id), int(map_index), *rest]:
                key = cls(dag_id, run_id, task_id, map_index, *_attempt_and_party(rest))
                # PostgreSQL takes neither NUL nor an index beyond 32 bits.
                fits = -1 <= map_index < 2**31 and "\0" not in dag_id + run_id + task_id
                fits = fits and not isinstance(map_index, bool)
                return key if fits and _is_spelling_of(key, token) else None
        return None


def attempt_of(value: Any) -> str:
    """A task instance's UUID as addresses spell it; empty for anything else."""
    try:
        return UUID(str(value)).hex
    except ValueError:
        return ""


def _attempt_and_party(parts: list[Any]) -> tuple[str, int]:
    match parts:
        case [attempt]:
            return attempt_of(attempt), -1
        case [attempt, int(party)] if not isinstance(party, bool) and 0 <= party < MAX_PARTIES:
            return attempt_of(attempt), party
    return "", -1


def _is_spelling_of(key: TaskKey, token: str) -> bool:
    """One task has one address: other spellings of the same identity are refused."""
    try:
        return key.encode() == token
    except UnicodeEncodeError:
        return False  # a lone surrogate is no text


@dataclass(frozen=True, slots=True)
class CallbackAddress:
    """
    What is given to the remote.

    :param url: address without the secret, for messages and for senders that set headers
    :param secret: the one-time secret; never logged, never stored
    """

    url: str
    secret: str = field(repr=False)

    @property
    def url_with_secret(self) -> str:
        """For senders that cannot set headers."""
        return f"{self.url}/{self.secret}"

    @property
    def confirm_url(self) -> str:
        """The page that asks a person, for the reader of a mail with the address."""
        return f"{self.url_with_secret}{CONFIRM}"

    @property
    def authorization(self) -> str:
        """Header value for senders that can."""
        return f"Bearer {self.secret}"


def new_address(base_url: str, task: TaskKey) -> CallbackAddress:
    """
    A fresh address for one submission.

    :param base_url: where Airflow's API server can be reached from the remote; may carry a path
    :raises ConfigurationError: it is not an http or https address, or holds credentials
    """
    token = task.encode()
    return CallbackAddress(f"{_beneath(base_url)}{ROUTE}/{token}", _new_secret(token))


def new_source_address(base_url: str, name: str) -> CallbackAddress:
    """
    A fresh address of a push source, good until it is replaced.

    :param base_url: as for :func:`new_address`
    :param name: of the source
    :raises ConfigurationError: it is not an http or https address, or holds credentials
    """
    return CallbackAddress(f"{_beneath(base_url)}{SOURCES}/{name}", _new_secret(source_proof(name)))


def source_proof(name: str) -> str:
    """What the proof of a source's secret is made over: no task is encoded so."""
    return f"source/{name}"


def _new_secret(proven: str) -> str:
    return with_proof(proven, secrets.token_urlsafe(RANDOM_LENGTH * 3 // 4))


def with_proof(proven: str, secret: str) -> str:
    """
    A secret with its proof, where there is a key.

    :param proven: what the proof is made over
    """
    keys = proof_keys()
    return f"{secret}.{_proof(keys[0], proven, secret)}" if keys else secret


def proof_keys() -> list[bytes]:
    """
    What proofs are made with (the first one) and checked with; empty where there is nothing.

    Workers of Airflow 3 share no secret with the API server that all deployments have. What most have is the
    same ``[core] fernet_key`` everywhere; ``[async_provider] callback_key`` is for the others. A process
    whose key is another makes proofs that do not fit, which costs its callbacks their place in the fast lane
    and nothing else.
    """
    return [hmac.digest(key.encode(), _USE, "sha256") for key in settings.callback_keys()]


def _proof(key: bytes, token: str, random: str) -> str:
    digest = hmac.digest(key, f"{token}/{random}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest)[:PROOF_LENGTH].decode("ascii")


def may_be_ours(token: str, secret: str | None) -> bool:
    """Whether :func:`new_address` could have made this; False for most of what others make up."""
    return is_spelt_as_ours(secret) and TaskKey.decode(token) is not None


def is_spelt_as_ours(secret: str | None) -> bool:
    """Whether a secret looks like one of ours."""
    return bool(secret and _SECRET.fullmatch(secret))


def is_proven(keys: list[bytes], token: str, secret: str) -> bool:
    """Whether a secret carries the proof that one of the keys makes."""
    random, _, proof = secret.partition(".")
    fits = [hmac.compare_digest(_proof(key, token, random), proof) for key in keys]
    return any(fits)


def _beneath(base_url: str) -> str:
    base_url = base_url.strip()
    if not is_plain_base(base_url):
        # It is not quoted: it may be a password, which would then be in the log.
        raise ConfigurationError(
            "The callback base URL is not a plain http or https address (https://host[:port][/path], without "
            "user, password, query and fragment). Give the address under which the remote reaches Airflow's "
            "API server."
        )
    return base_url.rstrip("/") + PREFIX


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(secret: str | None, known_hash: Any) -> bool:
    """Whether a secret is the one whose hash is known; takes the same time whatever differs."""
    expected = known_hash if isinstance(known_hash, str) and len(known_hash) == 64 else NO_HASH
    given = secret if secret and len(secret) <= MAX_SECRET else ""
    same = hmac.compare_digest(hash_of(given).encode(), expected.encode("utf-8", "replace"))
    return same and bool(given)
