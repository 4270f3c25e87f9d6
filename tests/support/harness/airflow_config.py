# SPDX-License-Identifier: Apache-2.0
"""How the Airflow of tests and demo is configured, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Defaults of Airflow are made for a server that runs for months. Here a person or a test waits for one run.
FAST: dict[str, dict[str, object]] = {
    "core": {
        "load_examples": False,
        "executor": "LocalExecutor",
        # Forked at once at the scheduler's start, so each costs time even when it is never used (default 32).
        "parallelism": 8,
        "simple_auth_manager_all_admins": True,
        # How old the API server's idea of a DAG may be: 30 s would be long for a test that rewrites a DAG.
        "min_serialized_dag_update_interval": 1,
        "test_connection": "Enabled",
        # The default asks the name server, which takes seconds on machines that have none.
        "hostname_callable": "socket.gethostname",
    },
    "database": {"load_default_connections": False},
    "logging": {"colored_console_log": False},
    "scheduler": {
        # The pause of an idle scheduler loop: what a finished trigger, a new run or a finished task waits at
        # most until it is noticed. A run with a deferred task and another takes 6.1 s with the default of
        # 1 s, 4.1 s with 0.25 s, and no less below, where the loop eats the CPU that the tasks need (2
        # cores). Of these 4 s, 3 s are three loops of the triggerer, whose pace of 1 s cannot be configured.
        "scheduler_idle_sleep_time": 0.25,
        "scheduler_heartbeat_sec": 1,
        "job_heartbeat_sec": 1,
        "enable_health_check": False,
        # Task instances whose worker was killed are found after this time (default 300 s).
        "task_instance_heartbeat_timeout": 15,
        "task_instance_heartbeat_timeout_detection_interval": 3,
        "trigger_timeout_check_interval": 3,
    },
    "dag_processor": {
        "refresh_interval": 1,
        "bundle_refresh_check_interval": 1,
        # New and changed files are parsed at once whatever this says; unchanged ones need no second look.
        "min_file_process_interval": 30,
        "parsing_processes": 1,
        "print_stats_interval": 0,
    },
    "triggerer": {
        "job_heartbeat_sec": 1,
        # After this time a killed triggerer is taken for dead and its triggers are taken over (default 30 s).
        "triggerer_health_check_threshold": 6,
    },
    "workers": {"min_heartbeat_interval": 2},
    "usage_data_collection": {"enabled": False},
}

#: The settle time of :data:`PATIENT` (seconds); the default of 10 s suits a scheduler that has its turn.
SETTLE = 20.0

#: Beyond :data:`FAST`, for dozens of runs at the same time on two busy cores: nothing is dead because it is
#: slow, and nothing is done twice.
PATIENT: dict[str, dict[str, object]] = {
    "core": {
        "executor": "tests.support.harness.warm_executor.LocalExecutor",
        # The pool bounds what the scheduler hands to its executor. Without it all goes into a pipe; when that
        # is full, the scheduler stands still and takes resumed tasks for failed ones.
        "parallelism": 6,
        "default_pool_task_slot_count": 6,
    },
    "scheduler": {"task_instance_heartbeat_timeout": 120},
    "triggerer": {"triggerer_health_check_threshold": 10},
    "workers": {"min_heartbeat_interval": 10, "execution_api_timeout": 60},
    "dag_processor": {
        "min_file_process_interval": 3600,
        "refresh_interval": 3,
        "bundle_refresh_check_interval": 3,
    },
    "async_provider": {"settle_seconds": SETTLE},
}


def bundle(name: str, path: Path) -> dict[str, Any]:
    """A folder as Airflow's configuration describes it."""
    return {
        "name": name,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(path), "refresh_interval": 1},
    }


def merged(*layers: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Options by section; later layers win."""
    result: dict[str, dict[str, object]] = {}
    for layer in layers:
        for section, options in layer.items():
            result.setdefault(section, {}).update(options)
    return result
