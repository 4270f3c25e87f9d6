# SPDX-License-Identifier: Apache-2.0
"""
A time limit for a whole request of the worker.

A socket's own limit begins anew with every byte, so a server that sends one now and then (a header line, the
size of a chunk) would keep a worker for ever.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Self

from airflow_async_provider.errors import TransientError

#: A limit that has passed ends what is connected only now, too, after so many seconds.
AGAIN = 0.1


class TimeLimit:
    """
    Ends a request, wherever it is, by shutting its connection down.

    :param seconds: for all of it
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        #: Whether the request line was written, so that the request may have arrived.
        self.begun = False
        self._passed = False
        self._connection: Any = None
        self._over = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._guard, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def watch(self, connection: Any) -> None:
        """The request is being written to this connection (see ``exact_adapter``)."""
        self.begun = True
        self._connection = connection

    def check(self, where: str) -> None:
        """
        Ask whether the limit has ended the request; what was read by then need not be all of it.

        :param where: the remote, for the error
        :raises TransientError: it has
        """
        if self._passed:
            raise TransientError(f"{where} did not answer within {self.seconds:g} seconds.")

    def _guard(self) -> None:
        # Once is not enough: the limit may pass while the request has no connection yet, or only a name that
        # is being looked up; what it connects to then would be read without any limit.
        while not self._over.wait(AGAIN if self._passed else self.seconds):
            self._passed = True
            self._strike()

    def _strike(self) -> None:
        connected = getattr(self._connection, "connected_socket", None)
        if connected is not None:
            with contextlib.suppress(OSError):  # closed already
                # Past the TLS layer, whose own shutdown is not made for a second thread.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)
