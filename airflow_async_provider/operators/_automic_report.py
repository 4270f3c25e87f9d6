# SPDX-License-Identifier: Apache-2.0
"""An Automic report in Airflow's task log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from airflow_async_provider._polling.wait_log import Log
from airflow_async_provider.errors import AsyncJobError
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.protocols._job import JobHandle

#: Which report is shown: the output of the job; where there is none (workflows), the activation report.
PREFERRED = ("REP", "ACT")

#: What goes into the log of a long report: its beginning, and its end, where the reason of a failure is.
FIRST_LINES = 200
LAST_LINES = 800
MAX_LINE = 2000

#: Reading on for the end of a report has an end of its own (pages).
MAX_PAGES = 1000


def log_report(hook: AutomicHook, handle: JobHandle, log: Log) -> None:
    """
    Put the report of an ended run into the log, as one group, bounded.

    It is a service: whatever goes wrong with it becomes a line in the log and nothing else.
    """
    try:
        kinds = {entry.get("type") for entry in hook.list_reports(handle) if entry.get("is_db") is not False}
        kind = next((k for k in PREFERRED if k in kinds), None)
        if kind is None:
            log.info("Automic has no report of run %s in its database.", handle.job_id)
            return
        log.info("::group::Report %s of Automic run %s", kind, handle.job_id)
        try:
            for line in shortened(_lines(hook.iter_reports(handle, kind))):
                log.info("%s", line)
        finally:
            log.info("::endgroup::")
    except AsyncJobError as e:
        log.warning("The report of Automic run %s could not be read: %s", handle.job_id, e)


def _lines(pages: Iterable[str]) -> Iterator[str]:
    """Lines of a report; a page may end within a line."""
    rest = ""
    for number, page in enumerate(pages):
        if number >= MAX_PAGES:
            yield rest
            yield f"(the report has more than {MAX_PAGES} pages; the rest is in Automic)"
            return
        *lines, rest = (rest + page).replace("\r\n", "\n").split("\n")
        yield from lines
        if len(rest) > MAX_LINE:  # no line break in sight: do not collect a whole report
            yield rest
            rest = ""
    if rest:
        yield rest


def shortened(lines: Iterable[str]) -> Iterator[str]:
    """The first and the last lines, with a word about how many were left out between them."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    left_out = -LAST_LINES
    for number, line in enumerate(lines):
        short = line if len(line) <= MAX_LINE else line[:MAX_LINE] + "…"
        if number < FIRST_LINES:
            yield short
        else:
            left_out += 1
            last.append(short)
    if left_out > 0:
        yield f"… {left_out} lines left out …"
    yield from last
