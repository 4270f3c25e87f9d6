# SPDX-License-Identifier: Apache-2.0
"""Both kinds of unfinished files, as a fixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_async_provider._download.destination import temporary_file


@pytest.fixture(autouse=True, params=["nameless", "hidden name"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test with both: file systems without O_TMPFILE exist."""
    if request.param == "hidden name":
        monkeypatch.setattr(temporary_file, "_FD_LINKS", Path("/nowhere"))
    return str(request.param)
