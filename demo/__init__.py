# SPDX-License-Identifier: Apache-2.0
"""``make demo``: the example DAGs on a real Airflow against the simulators."""
