# SPDX-License-Identifier: Apache-2.0
"""
What all benchmarks share: a server in a process of its own, a certificate, a table, a JSON file.

A benchmark is no test: it measures ours, a peer and, where there is one, the limit in the same run, prints a
table and writes ``results/<name>.json``. ``--smoke`` makes it small, to see that it still runs; then it
writes its figures only where ``--results`` says.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"

#: Where this run writes: ``--results``, else ``results/``, and nowhere for a small run.
_folder: Path | None = None

PACKAGES = ("apache-airflow", "apache-airflow-providers-http", "aiohttp", "requests", "boto3")


def arguments(description: str, **extra: Any) -> argparse.Namespace:
    """The options of a benchmark; ``extra`` adds ``--name`` with a default, several values for a list."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--smoke", action="store_true", help="a small run, to see that it works")
    parser.add_argument("--results", type=Path, help="folder for the JSON")
    for name, default in extra.items():
        one = default[0] if isinstance(default, list) else default
        many: dict[str, Any] = {"nargs": "+"} if isinstance(default, list) else {}
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(one), default=default, **many)
    found = parser.parse_args()
    global _folder  # noqa: PLW0603 # a script has one command line
    _folder = found.results or (None if found.smoke else RESULTS)
    if found.smoke:
        os.environ["BENCHMARK_SMOKE"] = "1"  # children need not load what is only there for its weight
    return found


#: What :func:`real_airflow` gives, when a test has one already.
given: tuple[Any, Any] | None = None


@contextlib.contextmanager
def real_airflow(config: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[Any, Any]]:
    """
    A new Airflow on a new PostgreSQL; to see that a benchmark still runs, the one that a test has.

    :param config: options of Airflow, by section
    """
    if given is not None:
        given[0].start_missing()
        yield given
        return
    sys.path.insert(0, str(HERE.parent))
    from tests.support.harness import Postgres, RealAirflow

    with (
        Postgres() as postgres,
        RealAirflow(sql_alchemy_conn=postgres.sql_alchemy_conn, config=config) as airflow,
    ):
        yield airflow, postgres


def machine() -> dict[str, Any]:
    """Where the figures come from."""
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": found,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def report(name: str, rows: Sequence[dict[str, Any]], *, smoke: bool, **facts: Any) -> None:
    """Print the rows as a table and write them as JSON."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(c)) for c in columns] for row in rows]
    widths = [max(len(c), *(len(r[i]) for r in cells)) for i, c in enumerate(columns)]
    print(f"\n{name}" + (" (smoke: the figures mean nothing)" if smoke else ""))
    print("  ".join(c.ljust(w) for c, w in zip(columns, widths, strict=True)))
    for row in cells:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)))
    if _folder is not None:
        _folder.mkdir(exist_ok=True)
        text = json.dumps({"name": name, "rows": list(rows), **facts, "machine": machine()}, indent=1)
        (_folder / f"{name}.json").write_text(text + "\n")


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:,.3g}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def certificate() -> Iterator[Path]:
    """A self-made certificate with its key in one PEM file, for 127.0.0.1."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "benchmark")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cert.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + cert.public_bytes(serialization.Encoding.PEM)
        )
        yield path


@contextlib.contextmanager
def started(*command: str) -> Iterator[str]:
    """A server in a process of its own, run by this Python; yields its base URL, which it prints."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(10)


def server(*options: str, script: str = "tiny_server.py") -> contextlib.AbstractContextManager[str]:
    """A server of this folder in a process of its own."""
    return started(str(HERE / script), *options)


class HttpRemote:
    """A remote system on loopback, in threads of this process; a benchmark defines what it answers."""

    def __init__(self) -> None:
        remote = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.reply(*remote.answer(self.path, json.loads(body or "{}")))

            def do_GET(self) -> None:
                self.reply(*remote.answer(self.path, None))

            def reply(self, status: int, document: Any, headers: Mapping[str, str]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Clients may leave when they like; what is wrong here shows in the figures."""

        server = Server(("127.0.0.1", 0), Handler)
        self.port = int(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def answer(self, path: str, posted: Any) -> tuple[int, Any, Mapping[str, str]]:
        """
        Status, JSON document and headers for a request.

        :param posted: the JSON document of a POST, None for a GET
        """
        raise NotImplementedError


def measured_in_child(script: str, cert: Path, settings: Mapping[str, Any], *, timeout: float) -> Any:
    """
    Run the side of a benchmark in a process of its own, which trusts a certificate; see :func:`main_or_side`.

    :param script: ``__file__`` of the benchmark
    :param settings: arguments of the side
    :param timeout: seconds
    :return: what the side measured
    """
    done = subprocess.run(
        [sys.executable, script, "--side", json.dumps(settings)],
        stdout=subprocess.PIPE,
        check=True,
        timeout=timeout,
        env={**os.environ, "SSL_CERT_FILE": str(cert), "REQUESTS_CA_BUNDLE": str(cert)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def main_or_side(main: Callable[[], None], side: Callable[..., Coroutine[Any, Any, Any]]) -> None:
    """Run a benchmark, or, in a child of :func:`measured_in_child`, its side."""
    logging.disable(logging.CRITICAL)
    if sys.argv[1:2] == ["--side"]:
        print(json.dumps(asyncio.run(side(**json.loads(sys.argv[2])))))
    else:
        main()


def within(airflow_environment: dict[str, str], script: str, *options: str) -> str:
    """
    Run a script of this folder with the configuration of a real Airflow.

    :return: what it printed
    :raises RuntimeError: it failed; with what it said last
    """
    done = subprocess.run(
        [sys.executable, str(HERE / script), *options],
        env=airflow_environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def connection_environment(conn_id: str, **fields: Any) -> None:
    """An Airflow connection for this process."""
    os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(fields)


def quiet() -> None:
    """No log lines of Airflow's: they would cover the table. What is logged is decided as ever."""
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )


def cpu_and_wall() -> tuple[float, float]:
    """CPU seconds of this process, and the clock."""
    return time.process_time(), time.perf_counter()
