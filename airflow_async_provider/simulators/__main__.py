# SPDX-License-Identifier: Apache-2.0
"""
Run one simulator: ``python -m airflow_async_provider.simulators aso --port 8099``.

Prints one line, the base URL, once it listens, and ends on SIGINT or SIGTERM. ``sender`` is none of them: it
sends callbacks to an address and ends.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence

from airflow_async_provider._metadata import PACKAGE, SYSTEMS
from airflow_async_provider.simulators import _sending
from airflow_async_provider.simulators.frame import Simulator, serving

#: sub-command -> class
SIMULATORS = {
    name: f"{PACKAGE}.simulators.{path}"
    for name, path in sorted(pair for system in SYSTEMS for pair in system.simulators.items())
}


def load(name: str) -> type[Simulator]:
    """The class behind a sub-command."""
    module, _, attribute = SIMULATORS[name].rpartition(".")
    simulator: type[Simulator] = getattr(importlib.import_module(module), attribute)
    return simulator


def build_parser() -> ArgumentParser:
    """The command line of all simulators."""
    parser = ArgumentParser(prog="python -m airflow_async_provider.simulators", description=__doc__)
    commands = parser.add_subparsers(dest="simulator", required=True)
    for name in SIMULATORS:
        simulator = load(name)
        command = commands.add_parser(name, help=(simulator.__doc__ or "").strip().split("\n", 1)[0])
        command.add_argument("--host", default="127.0.0.1", help="address to listen on")
        command.add_argument("--port", type=int, default=0, help="0 picks a free one")
        command.add_argument(
            "--listener-port",
            type=listener_port,
            action="append",
            default=[],
            metavar="NAME=PORT",
            help="port of another listener, e.g. results=8100",
        )
        command.add_argument("--public-host", help="host name in the URLs that are handed out")
        command.add_argument("--certfile", help="serve TLS with this certificate chain (PEM)")
        command.add_argument("--keyfile", help="its private key (PEM)")
        command.add_argument("--time-scale", type=float, default=1.0, help="simulated per real second")
        command.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
        simulator.add_arguments(command)
    _sending.add_arguments(
        commands.add_parser("sender", help="Send a callback to an address, signed as known senders do it")
    )
    return parser


def listener_port(text: str) -> tuple[str, int]:
    """
    Read ``name=port``.

    :raises ArgumentTypeError: when it is something else
    """
    name, _, port = text.partition("=")
    if not name or not port.isdecimal():
        raise ArgumentTypeError("expected NAME=PORT")
    return name, int(port)


async def serve(simulator: Simulator, arguments: Namespace) -> None:
    """Serve until a signal says stop."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end.set)
    async with serving(
        simulator,
        host=arguments.host,
        port=arguments.port,
        ports=dict(arguments.listener_port),
        public_host=arguments.public_host,
        certfile=arguments.certfile,
        keyfile=arguments.keyfile,
    ):
        sys.stdout.write(simulator.url + "\n")
        sys.stdout.flush()
        await end.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the simulator that the command line names.

    :param argv: arguments, those of the process by default
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    try:
        if arguments.simulator == "sender":
            return _sending.run(arguments)
        simulator = load(arguments.simulator).from_arguments(arguments)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    asyncio.run(serve(simulator, arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
