# SPDX-License-Identifier: Apache-2.0
"""Ways out of a handler of the generic simulator: problem details (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from airflow_async_provider.simulators.reply import Refused, Reply


def refused(status: int, title: str, headers: dict[str, str] | None = None) -> Refused:
    """A refusal."""
    return Refused(
        Reply.json({"title": title}, status, content_type="application/problem+json", headers=headers)
    )


async def json_body(request: web.Request) -> Any:
    """
    The JSON of a request, None when it brought another body or none.

    :raises Refused: 400 for broken JSON
    """
    text = await request.read()
    if not text or "json" not in request.content_type:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise refused(400, "The body is not JSON") from None
