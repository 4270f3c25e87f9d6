# SPDX-License-Identifier: Apache-2.0
"""Work on blocks of bytes beside the download instead of between its blocks: hashing, writing."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable

#: Smaller results are worked on on the spot; a thread would cost more than it saves (bytes).
WORTH_A_THREAD = 8 * 1024 * 1024

#: Blocks that may wait for their turn; with blocks of 1 MiB that is the memory this takes, in MiB.
WAITING_BLOCKS = 4


class Background:
    """
    Calls a function with every block, in order, in a thread of its own as soon as that pays.

    Hashing, writing to a file and reading from a socket all let go of the interpreter lock, so they overlap.

    Airflow ends a task by an exception out of a signal handler, at any line of the task's own thread. In the
    middle of ``queue.Queue.put`` that leaves a waiter behind who is no more, and the thread is not woken
    when it is told to end: so only queues are used here whose methods happen at once or not at all.

    :param work: gets the blocks; an error of it comes out of the next :meth:`put` or of :meth:`join`
    :param name: of the thread
    """

    def __init__(self, work: Callable[[bytes], object], *, name: str) -> None:
        self._work = work
        self._name = name
        self._count = 0
        self._error: BaseException | None = None
        #: Blocks; what is to hear that those before it are worked on; None at the end.
        self._blocks: queue.SimpleQueue[bytes | queue.SimpleQueue[None] | None] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def put(self, data: bytes) -> None:
        """Hand over the next block, which must not change afterwards; waits while too many do."""
        self._count += len(data)
        if self._thread is None and self._count <= WORTH_A_THREAD:
            self._work(data)
            return
        if self._thread is None:
            for _ in range(WAITING_BLOCKS):
                self._room.put(None)
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._raise_error()
        self._room.get()
        self._blocks.put(data)

    def join(self) -> None:
        """Wait until all blocks so far are worked on."""
        if self._thread is not None:
            done: queue.SimpleQueue[None] = queue.SimpleQueue()
            self._blocks.put(done)
            done.get()
        self._raise_error()

    def close(self) -> None:
        """Wait until all blocks so far are worked on, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._blocks.put(None)
            with contextlib.suppress(RuntimeError):  # a signal struck while it was being started
                thread.join()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (data := self._blocks.get()) is not None:
            if isinstance(data, queue.SimpleQueue):
                data.put(None)
                continue
            self._room.put(None)
            try:
                if self._error is None:  # after an error blocks are only taken away, so that put never hangs
                    self._work(data)
            except BaseException as error:  # noqa: BLE001 - comes out in the thread that put the block
                self._error = error
            del data
