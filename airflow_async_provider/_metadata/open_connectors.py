# SPDX-License-Identifier: Apache-2.0
"""SAP Open Connectors."""

from __future__ import annotations

from airflow_async_provider._metadata.system import (
    PACKAGE,
    System,
    allowed_hosts,
    job_url,
    network_fields,
    secret,
    text,
)

OPEN_CONNECTORS = System(
    name="SAP Open Connectors",
    url="https://help.openconnectors.ext.hana.ondemand.com/home/",
    operators={
        "open_connectors": {
            "OpenConnectorsAsyncRequestOperator": "Send an asynchronous request through SAP Open Connectors "
            "and wait for its webhook without a worker",
            "OpenConnectorsBulkDownloadOperator": "Have SAP Open Connectors collect many records in a file, "
            "wait without a worker, and store the file",
            "OpenConnectorsBulkUploadOperator": "Send a file of records to a provider through SAP Open "
            "Connectors and wait until all are in",
        }
    },
    hooks={"open_connectors": {"OpenConnectorsHook": "Talk to SAP Open Connectors"}},
    protocols={
        "open_connectors": "_open_connectors.protocol.OpenConnectorsProtocol",
        "open_connectors_bulk": "_open_connectors.bulk.OpenConnectorsBulkProtocol",
        "open_connectors_queue": "_open_connectors.queue.OpenConnectorsQueueProtocol",
    },
    hook="open_connectors.OpenConnectorsHook",
    simulators={"open-connectors": "open_connectors.OpenConnectorsSimulator"},
    connection={
        "connection-type": "sap_open_connectors",
        "hook-class-name": f"{PACKAGE}.hooks.open_connectors.OpenConnectorsHook",
        "hook-name": "SAP Open Connectors",
        "ui-field-behaviour": {
            "hidden-fields": ["login", "password", "schema"],
            "relabeling": {"host": "Host (of the landscape)"},
            "placeholders": {"host": "api.openconnectors.us2.ext.hana.ondemand.com", "port": "443"},
        },
        "conn-fields": {
            "user_secret": secret("User secret", "Always needed."),
            "element_token": secret(
                "Element token", "The connector instance's. Needed for requests and bulk jobs."
            ),
            "organization_secret": secret(
                "Organization secret", "Needed for calls to the platform itself: queued webhooks."
            ),
            "signature_secret": secret(
                "Signature key",
                "The instance's Callback Notification Signature Key. With it, webhooks without a valid "
                "signature are refused.",
            ),
            "callback_base_url": text("Callback base URL", "Where SAP reaches Airflow's API server."),
            **allowed_hosts(),
            **job_url(),
            **network_fields(),
        },
    },
)
