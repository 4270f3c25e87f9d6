# SPDX-License-Identifier: Apache-2.0
"""``python -m airflow_async_provider``: its help costs nothing of Airflow."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_async_provider.__main__ import main


def test_a_command_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert "command" in capsys.readouterr().err


def test_help_imports_nothing_of_airflow() -> None:
    code = (
        "import sys, contextlib\n"
        "from airflow_async_provider.__main__ import main\n"
        "with contextlib.suppress(SystemExit): main(['try', '--help'])\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--conn-id" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
