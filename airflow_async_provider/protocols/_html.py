# SPDX-License-Identifier: Apache-2.0
"""Pages for people, which no API means to answer with: those of logins, gateways, portals, and errors."""

from __future__ import annotations

import re
from typing import Final

#: The beginning of an HTML document, whatever its media type: behind a mark of its encoding, blanks, comments
#: and an XML declaration.
_BEGINS: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*){0,5}<(?:!doctype\s+html|html[\s>])",
    re.IGNORECASE | re.DOTALL,
)


def is_html_page(beginning: bytes) -> bool:
    """
    Whether a body is an HTML document.

    :param beginning: its first bytes; 4 KiB will do
    """
    return bool(_BEGINS.match(beginning[:16_384]))
