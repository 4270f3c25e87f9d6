# SPDX-License-Identifier: Apache-2.0
"""
What the simulated SAP Open Connectors asks of a caller, and how it refuses.

Known (SAP Open Connectors, "Authentication", "Error Codes", "Asynchronous API Requests"; the platform's own
API description of a connector): the two forms of ``Authorization``, in either order, separated by a comma;
``requestId`` and ``message`` in every refusal, ``providerMessage`` when the provider refused; the status
codes. Assumptions: the texts; 400 for an asynchronous request without any callback address.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import Any
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web

from airflow_async_provider.simulators._open_connectors_jobs import Upload
from airflow_async_provider.simulators.reply import Refused, Reply

#: What a bulk download may be asked for in; the platform's descriptions spell the last one so.
MEDIA_TYPES = ("application/json", "application/jsonl", "text/csv", "txt/csv", "csv")

_PARTS = re.compile(r"(User|Element|Organization) ([^\s,]+)")


def refused(status: int, message: str, provider_message: str | None = None) -> Refused:
    """A refusal in the platform's form."""
    body = {"requestId": uuid.uuid4().hex[:24], "message": message}
    if provider_message is not None:
        body["providerMessage"] = provider_message
    return Refused(Reply.json(body, status))


def check_authorization(request: web.Request, expected: dict[str, str]) -> None:
    """
    Exactly the words and secrets that are expected, in either order.

    :param expected: word -> secret, such as ``{"User": …, "Element": …}``
    :raises Refused: 401
    """
    parts = request.headers.get("Authorization", "").split(",")
    found = [_PARTS.fullmatch(part.strip(" ")) for part in parts]
    given = {match[1]: match[2] for match in found if match}
    if len(found) != len(expected) or given != expected:
        raise refused(401, "Invalid Organization or User secret, or invalid Element token provided.")


def callback_of(request: web.Request, default: str | None) -> str:
    """
    The callback address of an asynchronous request.

    :raises Refused: 400, there is none, or one that nothing can be sent to
    """
    url = request.headers.get("Elements-Async-Callback-Url", default)
    if not url:
        raise refused(400, "An asynchronous request needs a callback URL, and the instance has none.")
    check_url(url)
    return url


def check_url(url: Any) -> None:
    """
    An absolute URL, or the path of a formula.

    :raises Refused: 400
    """
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if not (parts.scheme in ("http", "https") and parts.hostname) and not str(url).startswith("/formulas/"):
        raise refused(400, "The callback URL is not valid.")


async def json_object(request: web.Request) -> dict[str, Any]:
    """
    The JSON object of the body.

    :raises Refused: 415 or 400
    """
    if request.content_type != "application/json":
        raise refused(415, "Unsupported media type")
    try:
        body = json.loads(await request.text())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refused(400, "The body is not a JSON object.")
    return body


def wanted_media_type(request: web.Request, stored: str) -> str:
    """
    The media type to answer a file in.

    :param stored: the one it was made in
    :raises Refused: 406
    """
    ranges = [part.split(";")[0].strip() for part in request.headers.get("Accept", "*/*").split(",")]
    if not {stored, "*/*", stored.split("/", maxsplit=1)[0] + "/*"} & set(ranges):
        raise refused(406, f"The file is {stored}.")
    return stored


async def read_upload(request: web.Request) -> Upload:
    """
    Read ``multipart/form-data`` with ``file`` and ``metaData``, in pieces.

    :raises Refused: 415 or 400
    """
    import hashlib

    if request.content_type != "multipart/form-data":
        raise refused(415, "Unsupported media type")
    upload, digest, last = Upload(), hashlib.sha256(), b"\n"
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise refused(400, "A part within a part is not supported.")
            if part.name == "metaData":
                upload.metadata = json.loads(await part.text())
            elif part.name == "file":
                upload.filename = part.filename
                while chunk := await part.read_chunk(1 << 16):
                    digest.update(chunk)
                    upload.size += len(chunk)
                    upload.lines += chunk.count(b"\n")
                    last = chunk[-1:]
    except (ValueError, AssertionError):
        raise refused(400, "The multipart body cannot be read.") from None
    if upload.filename is None or not isinstance(upload.metadata, dict):
        raise refused(400, "An upload needs a file, and metaData that is a JSON object.")
    upload.lines += last != b"\n"
    upload.sha256 = digest.hexdigest()
    return upload
