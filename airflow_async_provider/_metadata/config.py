# SPDX-License-Identifier: Apache-2.0
"""The options in section ``[async_provider]`` of Airflow's configuration; ``settings`` reads them."""

from __future__ import annotations

from typing import Any

CONFIG: dict[str, Any] = {
    "async_provider": {
        "description": "Options of airflow-async-provider.",
        "options": {
            "callback_base_url": {
                "description": "Address under which remotes reach Airflow's API server. Setting it makes "
                "operators whose remote can call back ask for callbacks.",
                "version_added": "0.1.0",
                "type": "string",
                "example": "https://airflow.example.com",
                "default": "",
            },
            "callback_max_bytes": {
                "description": "Largest callback body that is taken, whatever an operator allows (bytes).",
                "version_added": "0.1.0",
                "type": "integer",
                "example": None,
                "default": "16777216",
            },
            "callback_key": {
                "description": "Key with which workers mark the secrets of callback addresses, and API "
                "servers recognise them before they look into the database. The same everywhere; any long "
                "random text. Where it is empty, [core] fernet_key is used.",
                "version_added": "0.1.0",
                "type": "string",
                "sensitive": True,
                "example": None,
                "default": "",
            },
            "callback_protocols": {
                "description": "Dotted paths, separated by commas, of your own protocol classes that may "
                "read callbacks in the API server.",
                "version_added": "0.1.0",
                "type": "string",
                "example": "my_company.protocols.Exports",
                "default": "",
            },
            "page_report_seconds": {
                "description": "Seconds between two reports of a triggerer to the page Remote jobs: last and "
                "next poll, state, failures. 0 sends none.",
                "version_added": "0.1.0",
                "type": "float",
                "example": None,
                "default": "120",
            },
            "retry_policy": {
                "description": "Give operators and sensors of this package that name no retry_policy the "
                "one that it ships, RemoteJobRetryPolicy. From Airflow 3.3 on; earlier ones have none.",
                "version_added": "0.1.0",
                "type": "boolean",
                "example": None,
                "default": "False",
            },
            "settle_seconds": {
                "description": "Seconds between a deferral and the first moment at which the task may be "
                "resumed. Resuming earlier can make Airflow's scheduler fail the task.",
                "version_added": "0.1.0",
                "type": "float",
                "example": None,
                "default": "10",
            },
            "triggerer_paths": {
                "description": "Directories, separated by commas, that triggerers share with workers. Below "
                "them a triggerer may store results, as it may in object storages.",
                "version_added": "0.1.0",
                "type": "string",
                "example": "/mnt/shared/results",
                "default": "",
            },
            "triggerer_store_below": {
                "description": "A result whose URL lives for fewer seconds is stored by the triggerer, which "
                "waits for no worker. 0: only where a task says store_from='triggerer'.",
                "version_added": "0.1.0",
                "type": "float",
                "example": None,
                "default": "900",
            },
            "triggerer_store_threads": {
                "description": "How many results a triggerer stores at once. 0: none, workers do.",
                "version_added": "0.1.0",
                "type": "integer",
                "example": None,
                "default": "4",
            },
        },
    },
}
