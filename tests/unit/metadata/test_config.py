# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``async_provider``."""

from __future__ import annotations

import pytest

from airflow_async_provider._metadata.config import CONFIG

OPTIONS = CONFIG["async_provider"]["options"]


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_says_what_airflow_shows_of_it(name: str) -> None:
    option = OPTIONS[name]
    assert set(option) - {"sensitive"} == {"description", "version_added", "type", "example", "default"}
    assert option["description"].endswith(".")
    assert isinstance(option["default"], str)
    if option["type"] in ("integer", "float"):
        float(option["default"])
