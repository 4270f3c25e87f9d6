# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL for one test run, from the binaries of the machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.harness.processes import (
    Child,
    Entered,
    free_port,
    remove_directory,
    temporary_directory,
    wait_until,
)

MISSING = (
    "no PostgreSQL binaries (initdb, postgres) on this machine: install the package 'postgresql' "
    "(Debian, Ubuntu) or put its bin directory on PATH"
)


class PostgresMissingError(RuntimeError):
    """PostgreSQL is not installed here."""


def bin_directory() -> Path | None:
    """Where ``initdb`` and ``postgres`` lie: PATH, ``pg_config --bindir`` or Debian's place; else None."""
    candidates: list[Path] = []
    if found := shutil.which("initdb"):
        candidates.append(Path(found).resolve().parent)
    if config := shutil.which("pg_config"):
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, timeout=30, check=False)
        candidates.append(Path(answer.stdout.strip() or "/nowhere"))
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(debian, key=lambda p: float(p.parent.name), reverse=True)
    return next((d for d in candidates if (d / "initdb").exists() and (d / "postgres").exists()), None)


class Postgres(Entered):
    """
    A PostgreSQL server on a free loopback port, gone when the context is left.

    PostgreSQL refuses to run as root; then it runs as the user ``postgres`` or ``nobody``.

    :param timeout: seconds for each step of the start
    :raises PostgresMissingError: when the machine has none
    """

    def __init__(self, *, timeout: float = 60) -> None:
        binaries = bin_directory()
        if binaries is None:
            raise PostgresMissingError(MISSING)
        self._bin = binaries
        self._timeout = timeout
        self._user = _unprivileged_user()
        self._child: Child | None = None
        self.port = free_port()
        self.home = temporary_directory("postgres-")
        if self._user:
            shutil.chown(self.home, self._user)

    @property
    def sql_alchemy_conn(self) -> str:
        """Address for Airflow."""
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/postgres"

    @property
    def dsn(self) -> str:
        """Address for psycopg2 and psql."""
        return f"postgresql://airflow@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """Process id of the server, whose children serve the connections."""
        if self._child is None:
            raise RuntimeError("PostgreSQL does not run")
        return self._child.pid

    def _enter(self) -> None:
        self.start()

    def start(self) -> None:
        """
        Make the cluster and start the server.

        :raises NotReadyError: with the end of its log
        """
        data = self.home / "data"
        # Nobody but this machine's users gets here, for minutes, and there is nothing to read: no password.
        options = ["-D", str(data), "-U", "airflow", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        initdb = self._run("initdb", *options)
        try:
            wait_until(lambda: not initdb.running, "initdb", self._timeout)
        finally:
            initdb.kill()
        if initdb.process.returncode != 0:
            raise initdb.not_ready("initdb failed")
        self._serve()

    def restart(self, number: int = signal.SIGINT) -> None:
        """
        End the server, data and port stay, and start it again.

        :param number: SIGINT breaks all connections off ("fast"); SIGQUIT lets it recover as after a crash
        :raises NotReadyError: with the end of its log
        """
        if self._child is not None:
            self._child.stop(grace=10, number=number)
        self._serve()

    def _serve(self) -> None:
        data = self.home / "data"
        # A crash may lose all of it, so nothing needs to reach the disk. Airflow's processes with their
        # pools can need more than the default of 100 connections.
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": 300,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._child = self._run("postgres", "-D", str(data), *flags)
        child = self._child

        def accepts() -> bool:
            import psycopg2

            if not child.running:
                raise child.not_ready("ended while starting")
            try:
                psycopg2.connect(self.dsn, connect_timeout=2).close()
            except psycopg2.OperationalError:
                return False
            return True

        try:
            wait_until(accepts, "PostgreSQL to accept connections", self._timeout)
        except TimeoutError as error:
            raise child.not_ready(str(error)) from None

    def stop(self) -> None:
        """End the server and remove its files."""
        if self._child is not None:
            self._child.stop(grace=10, number=signal.SIGINT)  # "fast": does not wait for clients
            self._child = None
        remove_directory(self.home)

    def dump(self) -> str:
        """Everything that is in the database, as ``pg_dump`` writes it."""
        command = [str(self._bin / "pg_dump"), "--no-owner", self.dsn]
        answer = subprocess.run(command, capture_output=True, timeout=300, check=True)
        return answer.stdout.decode("utf-8", "replace")

    def _run(self, program: str, *arguments: str) -> Child:
        command = [str(self._bin / program), *arguments]
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        log = self.home / f"{program}.log"
        return Child(program, command, log=log, env=env, cwd=self.home, user=self._user)


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)
