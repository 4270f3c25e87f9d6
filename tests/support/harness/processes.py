# SPDX-License-Identifier: Apache-2.0
"""
Child processes that never outlive the run that started them.

Every child gets a session of its own and is entered with a guardian process (see :mod:`harness.guardian`), so
that nothing is left running: not after an exception, not after Ctrl-C, not after a SIGKILL of the run.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

from tests.support.harness import guardian

T = TypeVar("T")


class NotReadyError(RuntimeError):
    """Something did not come up in time; the message holds the end of its log."""


#: Ports that no system gives to connections by itself: what is free here now is still free when a server that
#: takes half a minute to start wants it.
PORTS = range(15_000, 32_000)


def free_port() -> int:
    """A TCP port of the loopback interface that is free at this moment."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def tail(path: Path, lines: int = 40) -> str:
    """The last lines of a text file, "" when there is none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def wait_until(question: Callable[[], T | None], what: str, timeout: float, interval: float = 0.1) -> T:
    """
    Ask until the answer is neither None nor False.

    :param question: called again and again
    :param what: what is waited for, for the error
    :param timeout: seconds
    :param interval: seconds between two questions
    :raises TimeoutError: when the time is over
    """
    deadline = time.monotonic() + timeout
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() >= deadline:
            raise TimeoutError(f"after {timeout:.0f} s still waiting for {what}")
        time.sleep(interval)


class Entered:
    """What starts on entering a ``with`` block, and stops on leaving it, also when the start fails."""

    def _enter(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """End it; may be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self._enter()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Guardian:
    """The guardian of this Python process, started when first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def tell(self, order: str, argument: object) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, guardian.__file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,  # an inherited pipe would keep a caller's `| tee` waiting
                    stderr=subprocess.DEVNULL,
                    text=True,
                    start_new_session=True,
                )
            assert self._process.stdin is not None
            self._process.stdin.write(f"{order} {argument}\n")
            self._process.stdin.flush()


_guardian = _Guardian()


def temporary_directory(prefix: str) -> Path:
    """A new directory, which the guardian removes if :func:`remove_directory` is never called."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    _guardian.tell("remove", path)
    return path


def remove_directory(path: Path) -> None:
    """Remove a directory from :func:`temporary_directory`."""
    shutil.rmtree(path, ignore_errors=True)
    _guardian.tell("keep", path)


def keep_directory(path: Path) -> None:
    """Leave a directory from :func:`temporary_directory` for the reader."""
    _guardian.tell("keep", path)


class Child:
    """
    A running program with all its descendants.

    :param name: for messages
    :param command: program and arguments
    :param log: file that takes its standard output and error output
    :param env: the whole environment, None for this process's own
    :param user: run as this user (needs root)
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self.started_at = time.time()
        self._begin = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                user=user,
                group=_group_of(user),
                extra_groups=[] if user else None,
                start_new_session=True,
            )
        self.pid = self.process.pid  # also the session's id
        _guardian.tell("session", self.pid)

    @property
    def running(self) -> bool:
        """Whether the program itself (not only a descendant) still runs."""
        return self.process.poll() is None

    def said(self) -> str:
        """What it has printed since this start."""
        return self.log.read_bytes()[self._begin :].decode("utf-8", "replace")

    def members(self) -> list[int]:
        """Process ids of the program and its descendants."""
        return guardian.session_members(self.pid)

    def send_signal(self, number: int) -> None:
        """Send a signal to the program alone, if it still runs."""
        with suppress(ProcessLookupError):
            if self.running:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL for the program and all its descendants, at once."""
        guardian.kill_session(self.pid)
        self._gone()

    def stop(self, grace: float = 5.0, number: int = signal.SIGTERM) -> None:
        """
        Ask the program to end, then make sure that nothing of it is left.

        :param grace: seconds it gets to end by itself
        :param number: the signal that asks
        """
        self.send_signal(number)
        self.wait_gone(grace)
        self.kill()

    def wait_gone(self, seconds: float) -> bool:
        """Wait until neither the program nor a descendant runs; False when the time was too short."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.running and not self.members():
                return True
            time.sleep(0.05)
        return False

    def _gone(self) -> None:
        self.process.wait(timeout=10)
        # A descendant may have been forked between the listing and the kill.
        for _ in range(20):
            if not self.members():
                break
            guardian.kill_session(self.pid)
            time.sleep(0.05)
        _guardian.tell("forget", self.pid)

    def not_ready(self, why: str) -> NotReadyError:
        """An error that shows the end of this program's log."""
        end = f"it ended with code {self.process.returncode}" if not self.running else "it still runs"
        return NotReadyError(f"{self.name}: {why} ({end}). End of its log:\n{tail(self.log) or '(empty)'}")


def stop_all(children: Sequence[Child], grace: float = 2.0) -> None:
    """Ask all of them to end at the same time, then make sure."""
    for child in children:
        child.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + grace
    for child in children:
        child.wait_gone(max(0.0, deadline - time.monotonic()))
    for child in children:
        child.kill()


def _group_of(user: str | None) -> int | None:
    if user is None:
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid
