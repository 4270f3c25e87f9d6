# SPDX-License-Identifier: Apache-2.0
"""A night in a real Airflow's UI: dozens of tasks wait for jobs of four systems, and nothing else runs."""
