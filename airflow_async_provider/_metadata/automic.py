# SPDX-License-Identifier: Apache-2.0
"""Broadcom Automic."""

from __future__ import annotations

from airflow_async_provider._metadata.system import (
    PACKAGE,
    System,
    choice,
    network_fields,
    text,
)

AUTOMIC = System(
    name="Broadcom Automic",
    url="https://docs.automic.com/",
    operators={
        "automic": {
            "AutomicExecuteOperator": "Start an executable object in Broadcom Automic and wait for its run "
            "without a worker"
        }
    },
    sensors={
        "automic": {
            "AutomicExecutionSensor": "Wait for an Automic run that another task, a schedule or a person has "
            "started"
        }
    },
    hooks={"automic": {"AutomicHook": "Talk to Automic's REST API"}},
    protocols={"automic": "_automic.protocol.AutomicProtocol"},
    hook="automic.AutomicHook",
    simulators={"automic": "automic.AutomicSimulator"},
    connection={
        "connection-type": "automic",
        "hook-class-name": f"{PACKAGE}.hooks.automic.AutomicHook",
        "hook-name": "Broadcom Automic",
        "ui-field-behaviour": {
            "hidden-fields": [],
            "relabeling": {
                "schema": "Schema (http or https)",
                "login": "Login (user/department)",
                "password": "Password (or token)",
            },
            "placeholders": {
                "host": "automic.example.com",
                "port": "8088",
                "schema": "https",
                "login": "AIRFLOW/AF",
            },
        },
        "conn-fields": {
            "client": text(
                "Client", "The Automic client, such as 100. Not needed when the login begins with it."
            ),
            "auth": choice(
                "Authentication",
                "Empty is basic. With bearer the password is a token, and there is no login.",
                "basic",
                "bearer",
            ),
            "callback_base_url": text(
                "Callback base URL",
                "Where Automic (21 and later) reaches Airflow's API server. Setting it asks for callbacks.",
            ),
            "run_url": text(
                "Address of a run",
                "In the Automic Web Interface, with {client} and {run_id}: a button on the task's page.",
            ),
            "batch_polls": choice(
                "Batch polls",
                "Empty or true: many waiting runs are asked for by a few lists. false: one request each.",
                "true",
                "false",
            ),
            **network_fields(results=False),
        },
    },
)
