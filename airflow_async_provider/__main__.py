# SPDX-License-Identifier: Apache-2.0
"""
Remote jobs from a terminal: ``python -m airflow_async_provider try PROFILE --conn-id ID``.

See docs/trying_a_description.md; docs/remote_jobs_page.md for ``list``, ``show``, ``poll`` and others;
docs/push_for_assets.md for ``push-sources``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from airflow_async_provider._cli.arguments import new_parser
from airflow_async_provider._cli.commands import run


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    :param argv: arguments, those of the process by default
    :return: the exit code
    """
    return run(new_parser().parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
