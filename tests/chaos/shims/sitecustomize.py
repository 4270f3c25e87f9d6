# SPDX-License-Identifier: Apache-2.0
"""
A triggerer whose clock is wrong: as many seconds ahead as the file ``clock-ahead`` in Airflow's home says.

Only processes that start while the file is there are concerned, and only ``time.time``: that is what code
that waits asks. What Airflow writes into its database keeps the right time, as others judge by it who lives.
"""

import os
import sys
import time
from pathlib import Path

_said = Path(os.environ.get("AIRFLOW_HOME", ".")) / "clock-ahead"
if "triggerer" in sys.orig_argv and _said.exists():
    _ahead = float(_said.read_text())
    _true_time = time.time
    time.time = lambda: _true_time() + _ahead
