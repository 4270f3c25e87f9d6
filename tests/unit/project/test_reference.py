# SPDX-License-Identifier: Apache-2.0
"""The API reference has a page for each public module, with each of its names, and no other."""

from __future__ import annotations

import re
import runpy

import pytest

from tests.support.docs_pages import DOCS
from tests.support.sources import public_modules, public_names

SITE = runpy.run_path(str(DOCS / "site_pages.py"))
PUBLIC = {module: public_names(path) for module, path in public_modules().items()}
NAMES = {f"airflow_async_provider.{module}.{name}" for module, names in PUBLIC.items() for name in names}


def test_the_reference_is_of_what_is_public() -> None:
    assert {module: set(names) for module, names in SITE["reference"]().items()} == PUBLIC


@pytest.mark.parametrize("module", sorted(PUBLIC))
def test_a_page_has_an_entry_for_each_name(module: str) -> None:
    entries = re.findall(r"^\.\. auto(?:class|function):: (\S+)$", SITE["api_page"](module), re.MULTILINE)
    assert set(entries) == {f"airflow_async_provider.{module}.{name}" for name in PUBLIC[module]}


def test_what_the_index_of_the_site_misses_is_noticed() -> None:
    lost = "airflow_async_provider.errors.JobError"
    assert SITE["missing"](NAMES) == []
    assert SITE["missing"](NAMES - {lost}) == [lost]


def test_the_navigation_has_every_page_that_the_index_links() -> None:
    index = "# All\n\n## Start\n\n* [A](a.md): first\n* [B](b.md)\n\n## More\n\n* [C](c.md)\n"
    site = SITE["completed"]("index", index)
    assert re.findall(r":caption: (\w+)\n\n((?:\w+\n)+)", site) == [("Start", "a\nb\n"), ("More", "c\n")]


def test_a_link_out_of_the_pages_is_a_word_on_the_site() -> None:
    text = "See [SECURITY.md](../SECURITY.md#reporting) and [Errors](errors.md)."
    assert SITE["completed"]("faq", text) == "See SECURITY.md and [Errors](errors.md)."
