# SPDX-License-Identifier: Apache-2.0
"""
The part of S3 that hands out results: pre-signed GET requests, with the refusals that S3 really gives.

Behaviour after the AWS documentation "Authenticating Requests: Using Query Parameters (AWS Signature
Version 4)" and "GetObject"; the body for an expired URL is the one that JAGGAER's ASO documentation shows.
Left out: every other operation, If-Modified-Since and If-Unmodified-Since, several ranges in one request
(S3 answers those with the whole object, and so does this).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from typing import NoReturn
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from aiohttp import web

from airflow_async_provider.simulators._content import Content
from airflow_async_provider.simulators.reply import Refused, Reply

REGION = "us-east-2"
ALGORITHM = "AWS4-HMAC-SHA256"
_NEEDED = frozenset(
    {
        "X-Amz-Algorithm",
        "X-Amz-Date",
        "X-Amz-SignedHeaders",
        "X-Amz-Expires",
        "X-Amz-Credential",
        "X-Amz-Signature",
    }
)


@dataclass(slots=True)
class StoredObject:
    """
    One object of the bucket.

    :param modified_at: epoch seconds (simulated)
    :param not_found_left: how many more requests get 404 before the object is "there"
    """

    content: Content
    modified_at: float
    content_type: str
    not_found_left: int = 0


class PresignedStore:
    """
    A bucket that can only be read, by pre-signed URLs.

    :param now: simulated epoch seconds
    :param ranges: False ignores Range and never says Accept-Ranges, as some proxies do
    :param chunked: True sends results without Content-Length
    :param rate: bytes per second of each answer, None: as fast as it goes
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        bucket: str,
        ranges: bool = True,
        chunked: bool = False,
        rate: float | None = None,
    ) -> None:
        self._now = now
        self.bucket = bucket
        self.ranges = ranges
        self.chunked = chunked
        self.rate = rate
        self.objects: dict[str, StoredObject] = {}
        self._access_key = "AKIA" + uuid.uuid4().hex[:16].upper()
        self._secret = uuid.uuid4().hex

    def presign(self, base_url: str, key: str, *, signed_at: float, expires: int) -> str:
        """
        Make a URL that reads one object for ``expires`` seconds, its query in the order of ASO's example.

        :param base_url: scheme, host and port at which the store is served
        """
        path = f"/{self.bucket}/{quote(key)}"
        moment = datetime.fromtimestamp(signed_at, UTC).strftime("%Y%m%dT%H%M%SZ")
        parameters = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Date": moment,
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Expires": str(expires),
            "X-Amz-Credential": f"{self._access_key}/{moment[:8]}/{REGION}/s3/aws4_request",
        }
        host = base_url.split("://", 1)[1]
        parameters["X-Amz-Signature"] = self._signature("GET", host, path, parameters)
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return f"{base_url}{path}?{query}"

    async def get(self, request: web.Request) -> Reply:
        """Answer a request for an object."""
        self._check(request)
        key = unquote(request.raw_path.split("?", 1)[0]).removeprefix(f"/{self.bucket}/")
        stored = self.objects.get(key)
        if stored is None or stored.not_found_left > 0:
            if stored is not None:
                stored.not_found_left -= 1
            refuse(404, "NoSuchKey", "The specified key does not exist.", {"Key": key})
        return self._read(request, stored)

    # -- the signature

    def _check(self, request: web.Request) -> None:
        parameters = _query(request)
        if "Authorization" in request.headers:
            refuse(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
                "string parameter or the Authorization header should be specified",
                {"ArgumentName": "Authorization"},
            )
        if not parameters:
            refuse(403, "AccessDenied", "Access Denied")
        if parameters.keys() < _NEEDED or parameters["X-Amz-Algorithm"] != ALGORITHM:
            refuse(400, "AuthorizationQueryParametersError", "Query-string authentication is incomplete")
        given = parameters.pop("X-Amz-Signature")
        path = request.raw_path.split("?", 1)[0]
        expected = self._signature(request.method, request.headers.get("Host", ""), path, parameters)
        if not hmac.compare_digest(given.encode(), expected.encode()):
            refuse(
                403,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. "
                "Check your key and signing method.",
            )
        self._check_expiry(parameters)

    def _check_expiry(self, parameters: dict[str, str]) -> None:
        signed = datetime.strptime(parameters["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        ends = signed.timestamp() + int(parameters["X-Amz-Expires"])
        now = self._now()
        if now >= ends:
            refuse(
                403,
                "AccessDenied",
                "Request has expired",
                {
                    "X-Amz-Expires": parameters["X-Amz-Expires"],
                    "Expires": _iso(ends),
                    "ServerTime": _iso(now),
                },
            )

    def _signature(self, method: str, host: str, path: str, parameters: dict[str, str]) -> str:
        query = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(parameters.items())
        )
        canonical = "\n".join((method, path, query, f"host:{host}\n", "host", "UNSIGNED-PAYLOAD"))
        scope = parameters["X-Amz-Credential"].split("/", 1)[-1]
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join((ALGORITHM, parameters["X-Amz-Date"], scope, hashed))
        key = b"AWS4" + self._secret.encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    # -- the object

    def _read(self, request: web.Request, stored: StoredObject) -> Reply:
        content = stored.content
        if_match = request.headers.get("If-Match")
        if if_match is not None and not _matches(if_match, content.etag):
            refuse(
                412,
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
                {"Condition": "If-Match"},
            )
        headers = {
            "Content-Type": stored.content_type,
            "ETag": content.etag,
            "Last-Modified": formatdate(stored.modified_at, usegmt=True),
            "Server": "AmazonS3",
            "x-amz-request-id": uuid.uuid4().hex[:16].upper(),
            "x-amz-server-side-encryption": "AES256",
        }
        if_none_match = request.headers.get("If-None-Match")
        if if_none_match is not None and _matches(if_none_match, content.etag):
            return Reply(304, headers)
        start, stop, status = 0, content.size, 200
        if self.ranges:
            headers["Accept-Ranges"] = "bytes"
            part = self._part(request, stored)
            if part is not None:
                start, stop = part
                status = 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{content.size}"
        return Reply(
            status,
            headers,
            stream=content.blocks(start, stop),
            length=None if self.chunked else stop - start,
            rate=self.rate,
        )

    def _part(self, request: web.Request, stored: StoredObject) -> tuple[int, int] | None:
        """The range asked for, None when the whole object is to be sent."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", "").strip())
        if found is None or not any(found.groups()):
            return None
        if_range = request.headers.get("If-Range")
        if if_range not in (None, stored.content.etag, formatdate(stored.modified_at, usegmt=True)):
            return None
        size = stored.content.size
        first, last = found.groups()
        if not first:
            start, stop = max(0, size - int(last)), size
        else:
            start, stop = int(first), min(size, int(last) + 1) if last else size
            if last and int(last) < start:
                return None  # no valid range at all: ignored, as RFC 9110 wants it
        if start >= size or start >= stop:
            refuse(
                416,
                "InvalidRange",
                "The requested range is not satisfiable",
                {"RangeRequested": request.headers["Range"], "ActualObjectSize": str(size)},
                {"Content-Range": f"bytes */{size}"},
            )
        return start, stop


def seconds_left(signed_at: float, expires: int, now: float) -> int:
    """Whole seconds for which a URL signed then is still good, -1 once it is not."""
    left = math.floor(signed_at) + expires - now
    return math.ceil(left) if left > 0 else -1


def _query(request: web.Request) -> dict[str, str]:
    raw = request.raw_path.partition("?")[2]
    pairs = (part.partition("=") for part in raw.split("&") if part)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _matches(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (tag.strip() for tag in header.split(","))


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def refuse(
    status: int,
    code: str,
    message: str,
    facts: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> NoReturn:
    """
    Leave the handler with an error in S3's XML.

    :raises Refused: always
    """
    request_id = uuid.uuid4().hex[:16].upper()
    elements = {
        "Code": code,
        "Message": message,
        **(facts or {}),
        "RequestId": request_id,
        "HostId": f"{uuid.uuid4().hex}=",
    }
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements.items())
    raise Refused(
        Reply(
            status,
            {
                "Content-Type": "application/xml",
                "Server": "AmazonS3",
                "x-amz-request-id": request_id,
                **(headers or {}),
            },
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode(),
        )
    )
