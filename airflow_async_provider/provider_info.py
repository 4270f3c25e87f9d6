# SPDX-License-Identifier: Apache-2.0
"""What Airflow's provider manager reads. Imports nothing of Airflow."""

from __future__ import annotations

from typing import Any

from airflow_async_provider import __version__

_PACKAGE = "airflow_async_provider"


def get_provider_info() -> dict[str, Any]:
    """Entry point ``apache_airflow_provider``; keys as in Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-async-provider",
        "name": "Async Provider",
        "description": "Remote APIs that answer ``202 Accepted``: JAGGAER ASO, SAP Open Connectors, Broadcom "
        "Automic, and any other of that kind.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": "JAGGAER ASO",
                "external-doc-url": "https://docs.aso.engineering/",
                "tags": ["service"],
            },
            {
                "integration-name": "Broadcom Automic",
                "external-doc-url": "https://docs.automic.com/",
                "tags": ["service"],
            },
            {
                "integration-name": "SAP Open Connectors",
                "external-doc-url": "https://help.openconnectors.ext.hana.ondemand.com/home/",
                "tags": ["service"],
            },
        ],
        "operators": [
            {
                "integration-name": "JAGGAER ASO",
                "python-modules": [f"{_PACKAGE}.operators.jaggaer_aso"],
            },
            {
                "integration-name": "Broadcom Automic",
                "python-modules": [f"{_PACKAGE}.operators.automic"],
            },
            {
                "integration-name": "SAP Open Connectors",
                "python-modules": [f"{_PACKAGE}.operators.open_connectors"],
            },
        ],
        "sensors": [
            {
                "integration-name": "JAGGAER ASO",
                "python-modules": [f"{_PACKAGE}.sensors.async_job"],
            },
            {
                "integration-name": "Broadcom Automic",
                "python-modules": [f"{_PACKAGE}.sensors.automic"],
            },
        ],
        "hooks": [
            {"integration-name": "JAGGAER ASO", "python-modules": [f"{_PACKAGE}.hooks.jaggaer_aso"]},
            {"integration-name": "Broadcom Automic", "python-modules": [f"{_PACKAGE}.hooks.automic"]},
            {
                "integration-name": "SAP Open Connectors",
                "python-modules": [f"{_PACKAGE}.hooks.open_connectors"],
            },
        ],
        "triggers": [
            {"integration-name": "JAGGAER ASO", "python-modules": [f"{_PACKAGE}.triggers.async_job"]},
        ],
        "extra-links": [f"{_PACKAGE}.operators.automic_link.AutomicRunLink"],
        "connection-types": [
            {
                "connection-type": "jaggaer_aso",
                "hook-class-name": f"{_PACKAGE}.hooks.jaggaer_aso.JaggaerAsoHook",
                "hook-name": "JAGGAER ASO",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "Base URL",
                        "login": "Client id",
                        "password": "Bearer token or client secret",
                    },
                    "placeholders": {"host": "https://ees.aso-api.jaggaer.com"},
                },
                "conn-fields": {
                    "api_key": {
                        "label": "API key",
                        "description": "Sent as X-API-Key.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "token_url": {
                        "label": "Token URL",
                        "description": "OAuth 2.0 token endpoint; empty when the password is a ready token.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "scope": {
                        "label": "Scope",
                        "description": "OAuth 2.0 scope, when your tenant wants one.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "accept": {
                        "label": "Accept",
                        "description": "Media type; default application/vnd.sciquest.com.ees+json.",
                        "schema": {"type": ["string", "null"]},
                    },
                    **_common_fields(),
                },
            },
            {
                "connection-type": "automic",
                "hook-class-name": f"{_PACKAGE}.hooks.automic.AutomicHook",
                "hook-name": "Broadcom Automic",
                "ui-field-behaviour": {
                    "hidden-fields": [],
                    "relabeling": {"schema": "http or https", "password": "Password or bearer token"},
                    "placeholders": {
                        "host": "automic.example.com",
                        "port": "8088",
                        "schema": "https",
                        "login": "USER/DEPARTMENT",
                    },
                },
                "conn-fields": {
                    "client": {
                        "label": "Client",
                        "description": "Automic client; not needed when the login begins with it.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "auth": {
                        "label": "Authentication",
                        "description": "basic (default), or bearer for a token as the password.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "callback_base_url": {
                        "label": "Callback base URL",
                        "description": "Where Automic reaches Airflow's API server; setting it asks for "
                        "callbacks.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "run_url": {
                        "label": "Address of a run",
                        "description": "Address in the Automic Web Interface, with {client} and {run_id}.",
                        "schema": {"type": ["string", "null"]},
                    },
                    **_common_fields(),
                },
            },
            {
                "connection-type": "sap_open_connectors",
                "hook-class-name": f"{_PACKAGE}.hooks.open_connectors.OpenConnectorsHook",
                "hook-name": "SAP Open Connectors",
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "password", "schema"],
                    "relabeling": {},
                    "placeholders": {"host": "api.openconnectors.us2.ext.hana.ondemand.com"},
                },
                "conn-fields": {
                    "user_secret": {
                        "label": "User secret",
                        "description": "Always needed.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "element_token": {
                        "label": "Element token",
                        "description": "The connector instance, for requests and bulk jobs.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "organization_secret": {
                        "label": "Organization secret",
                        "description": "For calls to the platform itself: queued webhooks.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "signature_key": {
                        "label": "Signature key",
                        "description": "The instance's Callback Notification Signature Key: webhooks "
                        "without a valid signature are refused then.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "callback_base_url": {
                        "label": "Callback base URL",
                        "description": "Where SAP reaches Airflow's API server.",
                        "schema": {"type": ["string", "null"]},
                    },
                    **_common_fields(),
                },
            },
        ],
        "config": {
            "async_provider": {
                "description": "Options of airflow-async-provider.",
                "options": {
                    "callback_base_url": {
                        "description": "Address under which remotes reach Airflow's API server. Setting "
                        "it makes operators whose remote can call back ask for callbacks.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "https://airflow.example.com",
                        "default": "",
                    },
                    "callback_max_bytes": {
                        "description": "Largest callback body that is read from a sender that has not proved "
                        "who it is (bytes).",
                        "version_added": "0.1.0",
                        "type": "integer",
                        "example": None,
                        "default": "1048576",
                    },
                    "callback_protocols": {
                        "description": "Dotted paths, separated by commas, of your own protocol classes that "
                        "may read callbacks in the API server.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "my_company.protocols.Exports",
                        "default": "",
                    },
                    "settle_seconds": {
                        "description": "Seconds between a deferral and the first moment at which the task "
                        "may be resumed. Resuming earlier can make Airflow's scheduler fail the task.",
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "10",
                    },
                },
            },
        },
    }


def _common_fields() -> dict[str, Any]:
    """What all our connection forms share."""
    return {
        "allowed_hosts": {
            "label": "Allowed hosts",
            "description": "Further hosts, separated by commas, that may get the credentials.",
            "schema": {"type": ["string", "null"]},
        },
        "verify": {
            "label": "Verify TLS",
            "description": "true, false, or the path of a CA file.",
            "schema": {"type": ["string", "null"]},
        },
        "proxy": {
            "label": "Proxy",
            "description": "URL of an HTTP proxy; empty for the environment's.",
            "schema": {"type": ["string", "null"]},
        },
        "timeout": {
            "label": "Timeout",
            "description": "Seconds for one request, default 30.",
            "schema": {"type": ["number", "null"]},
        },
    }
