# SPDX-License-Identifier: Apache-2.0
"""Machines and data stores by their descriptions: rclone, Redfish, Elasticsearch."""

from __future__ import annotations

from tests.support.stand_ins import DOCUMENT, FAILED, SUCCEEDED, Row

ROWS = [
    Row(
        profile="rclone_job",
        api="rclone",
        arguments={"endpoint": "sync/copy"},
        json={"srcFs": "a:", "dstFs": "b:"},
        result=DOCUMENT,
        ends={"fail": (FAILED, "directory not found")},
        cancelled=FAILED,
    ),
    Row(
        profile="redfish_task",
        api="redfish",
        arguments={"endpoint": "redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate"},
        json={"ImageURI": "http://images/1"},
        result=None,
        ends={"fail": (FAILED, "The image is broken"), "warning": (SUCCEEDED, "")},
        cancelled=FAILED,
    ),
    Row(
        profile="elasticsearch_task",
        api="elasticsearch",
        arguments={"endpoint": "_reindex"},
        json={"source": {"index": "a"}, "dest": {"index": "b"}},
        result={"total": 3, "failures": []},
        ends={"fail": (FAILED, "no such index"), "partial": (FAILED, "mapper_parsing")},
    ),
]
