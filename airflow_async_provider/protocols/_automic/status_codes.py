# SPDX-License-Identifier: Apache-2.0
"""
What Automic's status codes mean.

The outcome follows the vendor's ranges ("Return Codes of Executable Objects": ANY_WAITING 1600-1799,
ANY_ABEND 1800-1899, ANY_OK 1900-1999; values below 1800 are still active), so that a code which no list
knows is still classed. The table below is only for words: where an answer has no ``status_text``, and for
the documentation. Its texts come from the vendor's own Java API samples and from third-party lists, since
the tails of the vendor's tables could not be read; some differ between versions.

Automic's ANY_OK includes runs that never did anything (inactive, skipped, empty, timed out: 1910 to 1944)
and runs that were rolled back (1904, 1905), whose work is undone. Whether that is a success is the user's
decision, so those have a state of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_async_provider.protocols._job import JobState

#: Object types whose runs have children; cancelling them non-recursively leaves the children running.
TYPES_WITH_CHILDREN = frozenset({"JOBP", "JSCH", "JOBG"})

#: Lowest code, highest code, state. The first row that fits decides. Nothing outside is a status code.
RANGES: tuple[tuple[int, int, JobState], ...] = (
    (1560, 1564, JobState.BLOCKED),
    (1300, 1799, JobState.RUNNING),
    (1850, 1854, JobState.CANCELLED),
    (1800, 1899, JobState.FAILED),
    (1904, 1905, JobState.NOT_RUN),
    (1910, 1944, JobState.NOT_RUN),
    (1900, 1999, JobState.SUCCEEDED),
)

TEXTS: Mapping[int, str] = {
    1300: "Preparing",
    1301: "Waiting for user input",
    1310: "Operation not initialised",
    1510: "Transferred",
    1520: "Ready for transfer (before connect)",
    1521: "Ready to be transferred",
    1529: "Ready for generation",
    1530: "Ready for start",
    1531: "To be called",
    1540: "Start initiated",
    1541: "Checking",
    1542: "Calling",
    1543: "Unknown",
    1544: "Inconsistent",
    1545: "Started",
    1546: "Connecting",
    1547: "Remote task manager inconsistent",
    1550: "Active",
    1551: "Transferring",
    1552: "Called",
    1553: "Accepted",
    1554: "Sampling files",
    1556: "Escalated",
    1557: "Custom backup",
    1558: "File backup",
    1560: "Workflow blocked",
    1561: "Stopped: system or client-wide",
    1562: "Held: manual stop",
    1563: "Stopped: automatic processing",
    1564: "Stopped: queue processing",
    1565: "Finished sending task",
    1566: "Skipping: timeout",
    1567: "Skipping: condition",
    1568: "Skipping: manually inactive",
    1569: "Skipping: sync",
    1570: "Skipping",
    1571: "Canceling",
    1572: "Generating",
    1573: "Generated",
    1574: "Post processing",
    1575: "Ending",
    1576: "Regenerating",
    1578: "Searching files",
    1579: "Searching reports",
    1580: "Resolving variables",
    1581: "Checking postconditions",
    1582: "Checking prompt values",
    1583: "Looping",
    1584: "Calculating estimated runtime",
    1590: "Rollback: custom",
    1591: "Rollback: file",
    1592: "Rollback: agent group",
    1593: "Rollback: workflow",
    1599: "Alive (user view)",
    1600: "Internal checking",
    1655: "Waiting for rollback",
    1665: "Waiting for external parameters",
    1680: "Checking preconditions",
    1681: "Waiting for user",
    1682: "Waiting for variable resolution",
    1683: "Waiting for remote resource",
    1684: "Waiting for queue slot",
    1685: "Waiting for host for post-processing",
    1686: "Waiting for start of agent-group container",
    1687: "Waiting for end of parallel agent-group tasks",
    1688: "Waiting for host of an agent group",
    1689: "Waiting for maximum of file transfers",
    1690: "Waiting for external dependency",
    1691: "Waiting for remote system",
    1692: "Waiting for remote SYNC",
    1693: "Waiting for manual release",
    1694: "Waiting for maximum of jobs",
    1695: "Waiting for restart time",
    1696: "Waiting for host (agent)",
    1697: "Waiting for SYNC",
    1698: "Waiting for start time",
    1699: "Alive",
    1700: "Waiting for predecessor",
    1701: "Sleeping",
    1702: "Not yet called",
    1703: "Waiting",
    1704: "Checking preconditions",
    1705: "Switching logging",
    1709: "Waiting for parallel task",
    1710: "Registered",
    1711: "Queued",
    1799: "Dead",
    1800: "ENDED_NOT_OK - aborted",
    1801: "ENDED_NOT_OK - aborted because of SYNC condition",
    1802: "ENDED_JP_ABEND - not executed due to workflow abend",
    1810: "ENDED_VANISHED",
    1815: "ENDED_LOST - ended undefined, host terminated prematurely",
    1820: "FAULT_OTHER - start impossible",
    1821: "FAULT_NO_HOST",
    1822: "FAULT_ALREADY_RUNNING",
    1823: "FAULT_POST_PROCESSING",
    1824: "FAULT_POST_CONDITION",
    1825: "FAULT_CUSTOM_BACKUP",
    1826: "FAULT_FILE_BACKUP",
    1827: "FAULT_CUSTOM_ROLLBACK",
    1828: "FAULT_FILE_ROLLBACK",
    1829: "FAULT_HOSTGROUP_ROLLBACK",
    1830: "FAULT_ROLLBACK",
    1850: "ENDED_CANCEL - manually cancelled",
    1851: "ENDED_JP_CANCEL - workflow cancelled",
    1852: "ENDED_REJECTED",
    1853: "ENDED_QUEUE_CANCEL",
    1854: "ENDED_CONTAINER_CANCEL",
    1856: "ENDED_ESCALATED",
    1860: "Notification failed",
    1897: "Violated",
    1898: "Blocked",
    1899: "Blocked state manually reset",
    1900: "ENDED_OK - ended normally",
    1901: "Acknowledged",
    1902: "ENDED_QUEUE_END",
    1903: "ENDED_CONTAINER_END",
    1904: "ENDED_ROLLBACKED",
    1905: "Workflow rolled back",
    1910: "ENDED_EMPTY (STOP NOMSG)",
    1911: "ENDED_TRUNCATE",
    1912: "ENDED_EMPTY - nothing found",
    1913: "ENDED_ROLLBACK_EMPTY",
    1919: "ENDED_INACTIVE - because of logical date",
    1920: "ENDED_INACTIVE - because of calendar",
    1921: "ENDED_INACTIVE - because of definition",
    1922: "ENDED_INACTIVE - manually",
    1923: "Deleted",
    1924: "Unprocessed",
    1925: "ENDED_INACTIVE_OBJECT",
    1926: "UNPROCESSED_IF",
    1930: "ENDED_SKIPPED - WHEN clause",
    1931: "ENDED_SKIPPED - SYNC",
    1932: "ENDED_SKIPPED - schedule ended",
    1933: "ENDED_SKIPPED - conditions",
    1934: "ENDED_SKIPPED - manually",
    1940: "ENDED_TIMEOUT - not executed",
    1941: "ENDED_TIMEOUT - start time exceeded",
    1942: "ENDED_TIMEOUT - ended untimely",
    1943: "ENDING",
    1944: "Period stopped",
    1960: "Notification successful",
    1970: "Operation successful",
    1997: "Fulfilled",
    1999: "SYNC check done",
}


def state_of(code: int) -> JobState | None:
    """The state that a status code stands for, None when it is in none of the vendor's ranges."""
    for low, high, state in RANGES:
        if low <= code <= high:
            return state
    return None


def text_of(code: int) -> str:
    """English text of a status code, empty when no list knows it."""
    return TEXTS.get(code, "")
