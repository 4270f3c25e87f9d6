# SPDX-License-Identifier: Apache-2.0
"""Apache Airflow provider for remote APIs that answer "202 Accepted, come back later"."""

__version__ = "0.1.0"
