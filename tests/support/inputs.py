# SPDX-License-Identifier: Apache-2.0
"""
How many inputs the tests of properties try, and how many were tried in the end.

``HYPOTHESIS_TIMES=10`` tries ten times as many of each, ``HYPOTHESIS_PROFILE=random`` other ones in each run.
``-m hypothesis`` selects these tests; ``--hypothesis-show-statistics`` ends with their number, by file and in
all.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

#: So many times as many inputs as usual.
TIMES = int(os.environ.get("HYPOTHESIS_TIMES", "1"))

#: Hypothesis' own words, for each of its phases.
_COUNTS = re.compile(r"- (\d+) passing, (\d+) failing, and (\d+) invalid ")


def examples(usual: int) -> int:
    """How many inputs a test tries in this run."""
    return usual * TIMES


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    """Note what a test has tried, in its report: that also reaches the one who started several workers."""
    outcome: Any = yield
    report = outcome.get_result()
    statistics = getattr(item, "hypothesis_statistics", None)
    if report.when == "teardown" and statistics:
        found = _COUNTS.findall(statistics)
        report.user_properties.append(
            ("inputs", [sum(map(int, column)) for column in zip(*found, strict=True)])
        )


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table, after hypothesis' own one."""
    if not config.getoption("--hypothesis-show-statistics"):
        return
    tests: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for counts in [v for name, v in getattr(report, "user_properties", ()) if name == "inputs" and v]:
                for place in (report.location[0], "all"):
                    tests[place] += 1
                    taken[place] += counts[0] + counts[1]
                    rejected[place] += counts[2]
    terminalreporter.section("inputs tried")
    for place in sorted(tests, key=lambda name: (name == "all", name)):
        terminalreporter.write_line(
            f"{taken[place]:>9,} in {tests[place]:>4} tests, {place}"
            f" ({rejected[place]:,} more were drawn but did not fit)"
        )
