# SPDX-License-Identifier: Apache-2.0
"""A server that says any bytes at all, once or for ever, and knows when the client has had enough of them."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

#: So many times does a server without an end go on, if nobody leaves it: for thirty seconds.
TIMES, PAUSE = 1200, 0.025

#: Bytes that a flood sends at a time: 40 MB in all.
WAVE = 100_000

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"


@dataclass
class Script:
    """
    What the server says to one request.

    :param data: sent at once
    :param ending: what comes then: ``close``, ``reset``, or ``keep`` the connection for a next request
    :param piece: sent again and again then, for thirty seconds
    """

    data: bytes
    ending: str = "close"
    piece: bytes | None = None
    #: whether the client has gone before the thirty seconds were over
    left: Future[bool] = field(default_factory=Future)


class RawServer:
    """
    Says what ``scripts`` has for the path, and ``plain`` where they have nothing.

    :param tls: certificate and key in one file, for https
    """

    def __init__(self, tls: Path | None = None) -> None:
        self.scripts: dict[bytes, Script] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.origin = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        accepted.settimeout(20)
        with contextlib.suppress(OSError), self._wrapped(accepted) as connection:
            waiting = b""
            while True:
                while b"\r\n\r\n" not in waiting:
                    if not (received := connection.recv(65536)):
                        return
                    waiting += received
                head, _, waiting = waiting.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                while len(waiting) < (wanted := int(length[1]) if length else 0):
                    waiting += connection.recv(65536)
                waiting = waiting[wanted:]
                script = self.scripts.get(head.split(b" ", 2)[1], Script(PLAIN, "keep"))
                connection.sendall(script.data)
                if script.piece is not None:
                    self._go_on(connection, script.piece, script.left)
                    return
                if script.ending == "reset":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if script.ending != "keep":
                    return
                connection.settimeout(0.1)  # who waits for more of this answer waits for nothing

    def _wrapped(self, connection: socket.socket) -> socket.socket:
        if self._context is None:
            return connection
        return self._context.wrap_socket(connection, server_side=True)

    def _go_on(self, connection: socket.socket, piece: bytes, left: Future[bool]) -> None:
        try:
            for _ in range(TIMES):
                connection.sendall(piece)
                readable, _, _ = select.select([connection], [], [], PAUSE)
                if readable and not connection.recv(65536):
                    break
            else:
                left.set_result(False)
                return
        except TimeoutError:  # it neither reads nor leaves
            left.set_result(False)
            return
        except OSError:
            pass
        left.set_result(True)
