# SPDX-License-Identifier: Apache-2.0
"""Fabric, Azure Resource Manager and Azure DevOps by their descriptions."""

from __future__ import annotations

import json

from tests.support.stand_ins import CANCELLED, DOCUMENT, FAILED, Row

ROOT = "subscriptions/s/providers/Microsoft.Test"
QUOTA = (FAILED, "The quota is used up")


def resource(kind: str) -> dict[str, object]:
    path = f"/{ROOT}/{kind}/n"
    return {"id": path, "name": "n", "properties": {"provisioningState": "Succeeded"}}


ROWS = [
    Row(
        profile="microsoft_fabric",
        api="fabric",
        arguments={"endpoint": "v1/workspaces/w/items"},
        json={"displayName": "n", "type": "Notebook"},
        result='{"id": "item-1", "type": "Notebook"}',
        ends={"fail": (FAILED, "The name is in use")},
        cancelled=None,
    ),
    Row(
        profile="azure_resource_manager",
        label="azure_resource_manager-operation",
        api="arm",
        arguments={"method": "PUT", "endpoint": f"{ROOT}/headed/n?api-version=1"},
        options={"final_state_via": "original-uri"},
        json={"location": "westeurope"},
        result=json.dumps(resource("headed")),
        ends={"fail": QUOTA, "cancel": (CANCELLED, "Canceled")},
        cancelled=None,
    ),
    Row(
        profile="azure_resource_manager",
        label="azure_resource_manager-location",
        api="arm",
        arguments={"method": "POST", "endpoint": f"{ROOT}/headed/n/export?api-version=1"},
        result={"exported": [1, 2]},
        ends={"fail": QUOTA, "cancel": QUOTA},
        cancelled=None,
    ),
    Row(
        profile="azure_resource_manager",
        label="azure_resource_manager-resource",
        api="arm",
        arguments={"method": "PUT", "endpoint": f"{ROOT}/plain/n?api-version=1"},
        json={"location": "westeurope"},
        result=resource("plain"),
        ends={"fail": (FAILED, "Failed"), "cancel": (CANCELLED, "Canceled")},
        cancelled=None,
    ),
    Row(
        profile="azure_devops_pipeline",
        api="azure_devops",
        options={"organization": "org", "project": "project", "pipeline_id": 3},
        json={},
        result=DOCUMENT,
        ends={"fail": (FAILED, "failed"), "partial": (FAILED, "partiallySucceeded")},
    ),
]
