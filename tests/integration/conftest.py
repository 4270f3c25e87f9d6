# SPDX-License-Identifier: Apache-2.0
"""
Servers that all tests of a process share: PostgreSQL, and two of S3.

They stand here because a fixture that a test module imports is that module's own: each would start its own.
"""

from tests.support.callback_world import postgres_fixture
from tests.support.s3_servers import _moto, _rclone

__all__ = ["_moto", "_rclone", "postgres_fixture"]
