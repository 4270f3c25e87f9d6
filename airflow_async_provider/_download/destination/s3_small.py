# SPDX-License-Identifier: Apache-2.0
"""
Thousands of small objects for one place in S3, without what boto3 does anew for each of them.

A PUT through boto3 takes several milliseconds of CPU, one of them to hash what is hashed already, and Python
runs one thread at a time. So boto3 sends until one object is there, which shows where requests go and how
they are signed. Those after it are signed by botocore's own signer, for the SHA-256 that the download has
made, and go through botocore's own session. S3 refuses content with another hash. Whatever is not plain, and
whatever is not answered with 200, goes through boto3 with its retries and its errors.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

#: After so many failures in a row boto3 sends everything.
MAX_FAILURES = 3

#: Arguments that boto3 works on before they become headers.
WORKED_ON = ("SSECustomer", "Checksum", "Content", "IfMatch", "IfNoneMatch")
PLAIN = ("ContentType", "ContentEncoding")

#: What the signature of a plain S3 request begins with, and the service that it is for.
ALGORITHM, SERVICE = "AWS4-HMAC-SHA256 ", "s3"


class SmallObjects:
    """
    The way to one bucket, shared by the objects of one task; called from several threads.

    :param hook: the amazon provider's ``S3Hook``
    :param bucket: their bucket
    """

    def __init__(self, hook: Any, bucket: str) -> None:
        self._hook, self._client, self._bucket = hook, hook.get_conn(), bucket
        self._lock = threading.Lock()
        self._sent = threading.local()
        self._way: _Way | None = None
        self._failures = 0
        self._client.meta.events.register("before-send.s3.PutObject", self._look)

    def put(self, key: str, body: bytes | bytearray, *, sha256: str, extra: Mapping[str, Any]) -> bool:
        """
        Send one object.

        :param sha256: of the body, hexadecimal
        :param extra: further arguments of the upload, as boto3 names them
        :return: whether S3 has it; False: boto3 is to send it
        """
        way, self._sent.key = self._way, key
        headers = self._headers(extra, sha256)
        if way is None or headers is None or self._failures >= MAX_FAILURES:
            return False
        try:
            done = way.put(key, body, sha256, headers)
        except Exception:  # noqa: BLE001 - whatever it is: boto3 tries, and its error counts
            done = False
        self._failures = 0 if done else self._failures + 1
        return done

    def _headers(self, extra: Mapping[str, Any], sha256: str) -> dict[str, str] | None:
        """The arguments as headers; None where boto3 would do more than that with one of them."""
        members = self._client.meta.service_model.operation_model("PutObject").input_shape.members
        headers = {}
        for name, value in extra.items():
            if name == "ChecksumAlgorithm" and value in ("CRC32", "SHA256"):
                continue  # SHA-256 is there, and says at least as much
            where = members[name].serialization if name in members else {}
            known = name in PLAIN or not name.startswith(WORKED_ON)
            if where.get("location") != "header" or not isinstance(value, str) or not known:
                return None
            headers[where["name"]] = value
        if "ChecksumAlgorithm" in extra:  # else the server may know none
            headers["x-amz-sdk-checksum-algorithm"] = "SHA256"
            headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(sha256)).decode()
        return headers

    def _look(self, request: Any, **_: Any) -> None:
        """Learn from what boto3 sends, once it is about to."""
        key = getattr(self._sent, "key", None)
        if self._way is not None or key is None:
            return
        with self._lock:
            if self._unknown():
                try:
                    self._way = _way(self._hook, self._client, request, _quoted(key))
                except Exception:  # noqa: BLE001 - whatever it is must not end the request of boto3's
                    self._failures = MAX_FAILURES

    def _unknown(self) -> bool:
        """Whether another thread has not learned it meanwhile."""
        return self._way is None and self._failures < MAX_FAILURES


class _Way:
    """Where objects go, and how."""

    def __init__(self, base: str, scope: tuple[str, str], agent: str, client: Any, hook: Any) -> None:
        self._base, self._scope, self._agent = base, scope, agent
        self._credentials = hook.get_session().get_credentials()
        self._session = _session(base, client.meta.config, hook.verify)

    def put(self, key: str, body: bytes | bytearray, sha256: str, headers: Mapping[str, str]) -> bool:
        """Whether S3 has taken it."""
        from botocore.awsrequest import AWSRequest

        sent = {"User-Agent": self._agent, **headers}
        request = AWSRequest(method="PUT", url=self._base + _quoted(key), data=body, headers=sent)
        credentials = self._credentials.get_frozen_credentials()
        _signer()(credentials, *self._scope, sha256=sha256).add_auth(request)
        answer = self._session.send(request.prepare())
        return bool(answer.status_code == 200)


def _way(hook: Any, client: Any, request: Any, key: str) -> _Way | None:
    """The way of a request of boto3's; None where it is not that of plain S3."""
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    signature = headers.get("authorization", "")
    scope = signature.partition("Credential=")[2].partition(",")[0].split("/")
    if not signature.startswith(ALGORITHM) or scope[3:4] != [SERVICE] or not request.url.endswith(f"/{key}"):
        return None
    base = request.url.removesuffix(key)
    return _Way(base, (SERVICE, scope[2]), headers.get("user-agent", ""), client, hook)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _quoted(key: str) -> str:
    """A key in a URL, as boto3 writes it."""
    return quote(key, safe="/~")


def _session(url: str, config: Any, verify: Any) -> Any:
    """Connections as boto3's client has them."""
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    trusted = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or True
    return URLLib3Session(
        verify=trusted if verify is None else verify,
        proxies=get_environ_proxies(url) if config.proxies is None else config.proxies,
        timeout=(config.connect_timeout, config.read_timeout),
        max_pool_connections=config.max_pool_connections,
        client_cert=config.client_cert,
        proxies_config=config.proxies_config,
    )


@lru_cache(maxsize=1)
def _signer() -> type[Any]:
    from botocore.auth import S3SigV4Auth

    class KnownHash(S3SigV4Auth):  # type: ignore[misc] # botocore gives no types here
        """Signs for a hash that is known already."""

        def __init__(self, *args: Any, sha256: str) -> None:
            super().__init__(*args)
            self._sha256 = sha256

        def payload(self, request: Any) -> str:
            return self._sha256

    return KnownHash
