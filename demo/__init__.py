# SPDX-License-Identifier: Apache-2.0
"""``make demo``: the example DAGs on a real Airflow against the simulators."""

import sys
from pathlib import Path

# The demo starts Airflow the way the system tests do.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
