# SPDX-License-Identifier: Apache-2.0
"""The words for Automic's numbers."""

from __future__ import annotations

from airflow_async_provider.protocols._automic.status_codes import text_of


def test_known_numbers_have_the_vendor_s_words() -> None:
    assert text_of(1900).startswith("ENDED_OK")
    assert text_of(1800).startswith("ENDED_NOT_OK")
    assert isinstance(text_of(1234), str)
