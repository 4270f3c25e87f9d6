# SPDX-License-Identifier: Apache-2.0
"""The page can be read by eyes that are tired or old, in the light and in the dark: WCAG 2.2, level AA."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import airflow_async_provider

CSS = (Path(airflow_async_provider.__file__).parent / "_page" / "static" / "page.css").read_text("utf-8")

#: What text needs against what is behind it (success criterion 1.4.3).
ENOUGH = 4.5

#: Text -> what it stands on.
PAIRS = [
    *((text, "back") for text in ("front", "quiet", "link", "good", "bad", "warn")),
    *(("front", "head"), ("bad", "head"), ("bad", "bad-back"), ("warn", "warn-back")),
]


def colours(theme: str) -> dict[str, str]:
    selector = r':root\[data-theme="dark"\]' if theme == "dark" else ":root"
    block = re.search(rf"^{selector} \{{(.*?)\}}", CSS, re.MULTILINE | re.DOTALL)
    assert block
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block[1]))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("pair", PAIRS, ids="-on-".join)
def test_text_stands_out_from_what_is_behind_it(theme: str, pair: tuple[str, str]) -> None:
    found = colours(theme)
    assert contrast(found[pair[0]], found[pair[1]]) >= ENOUGH


def test_black_on_white_is_the_most_there_is() -> None:
    assert round(contrast("#000000", "#ffffff"), 2) == 21
    assert contrast("#777777", "#ffffff") < ENOUGH
