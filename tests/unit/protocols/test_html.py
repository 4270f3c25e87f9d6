# SPDX-License-Identifier: Apache-2.0
"""Pages for people, by how they begin."""

from __future__ import annotations

import pytest

from airflow_async_provider.protocols._html import is_html_page


@pytest.mark.parametrize(
    ("beginning", "is_page"),
    [
        (b"<!DOCTYPE html><html>", True),
        (b"\xef\xbb\xbf\n<html lang='de'><head>", True),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0">', True),
        (b"<!-- a gateway's --> <HTML>", True),
        (b"<table><tr><td>", False),
        (b"<htmlish/>", False),
        (b"a,b\n<html>", False),
        (b'{"html": "<html>"}', False),
        (b"", False),
        (b"<!--" * 10_000, False),
    ],
)
def test_a_page_begins_like_one(beginning: bytes, is_page: bool) -> None:
    assert is_html_page(beginning) is is_page
