# SPDX-License-Identifier: Apache-2.0
"""A private Redis for CeleryExecutor, from the program of the machine."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from pathlib import Path

from tests.support.harness.processes import Child, free_port
from tests.support.harness.servers import _Server


def missing() -> str | None:
    """What CeleryExecutor would need and this machine has not; None when all is there."""
    if shutil.which("redis-server") is None:
        return "no redis-server on this machine: install the package 'redis-server' (Debian, Ubuntu)"
    if any(importlib.util.find_spec(name) is None for name in ("celery", "redis")):
        return "CeleryExecutor needs requirements/celery.txt; make chaos-celery installs it"
    return None


class Redis(_Server):
    """A Redis server on a free loopback port that keeps nothing on disk."""

    def __init__(self, *, timeout: float = 30) -> None:
        super().__init__("redis", timeout=timeout)

    def _spawn(self, log: Path) -> Child:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        command = [
            "redis-server",
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        return Child("redis", [*command, "--dir", str(self._home)], log=log)

    def _answers(self, child: Child) -> bool:
        try:
            with socket.create_connection(
                ("127.0.0.1", int(self.url.split(":")[2].split("/")[0])), timeout=2
            ) as s:
                s.sendall(b"PING\r\n")
                return s.recv(16).startswith(b"+PONG")
        except OSError:
            return False
