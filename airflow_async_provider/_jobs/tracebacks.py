# SPDX-License-Identifier: Apache-2.0
"""
Failures that a person can read in the task log.

Airflow writes every exception of a task with its whole stack, and that of every exception that led to it,
and has no way to leave them out. When a remote says "failed", these dozens of lines say nothing: the
message does. So our own errors leave the operator without the frames inside the package; the few frames of
Airflow's task runner remain, and so does an error that was the cause, in one line. With the log level DEBUG
the whole stack is there. Exceptions of any other kind are defects, of this package or of another, and stay
as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from airflow_async_provider.errors import AsyncJobError

METHODS = ("execute", "execute_complete", "poke")


def make_plain(cls: type[Any]) -> None:
    """Let what Airflow calls of an operator class raise plain errors; for its ``__init_subclass__``."""
    for name in METHODS:
        if name in vars(cls):
            setattr(cls, name, _plain(vars(cls)[name]))


def _plain(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except AsyncJobError as e:
            self.log.debug("%s was raised here:", type(e).__name__, exc_info=True)
            cause: BaseException | None = e
            while cause is not None:  # of a library's own error its one line is enough, too
                cause.__traceback__ = None
                cause.__suppress_context__ = True
                cause = cause.__cause__
            raise e  # noqa: TRY201 - a bare raise would bring the old frames back

    return call
