# SPDX-License-Identifier: Apache-2.0
"""Builds and automation by their descriptions: GitHub, Jenkins, AWX, dbt Cloud."""

from __future__ import annotations

from tests.support.stand_ins import CANCELLED, DOCUMENT, FAILED, SUCCEEDED, ZIPPED, Like, Row

REPOSITORY = {"owner": "o", "repository": "r"}

JSON = Like("JSON", lambda value: value.startswith("{"))

ROWS = [
    Row(
        profile="github_statistics",
        api="github",
        options=REPOSITORY,
        result=[{"total": 5}],
        ends={"fail": (FAILED, "cannot be computed"), "empty": (SUCCEEDED, "")},
        cancelled=None,
    ),
    Row(
        profile="github_actions",
        api="github",
        options={**REPOSITORY, "workflow": "build.yml"},
        json={"ref": "main", "return_run_details": True},
        result=DOCUMENT,
        ends={
            "fail": (FAILED, "failure"),
            "timeout": (FAILED, "timed_out"),
            "action": (FAILED, "action_required"),
        },
    ),
    Row(
        profile="github_actions",
        label="github_actions-artifacts",
        api="github",
        many=True,
        options={
            **REPOSITORY,
            "workflow": "build.yml",
            "result": {
                "value": None,
                "from": "GET repos/{owner}/{repository}/actions/runs/{job_id}/artifacts",
                "url": "artifacts[*].archive_download_url",
                "name": "artifacts[*].name",
            },
        },
        json={"ref": "main", "return_run_details": True},
        result={"report": ZIPPED},
        ends={"fail": (FAILED, "failure")},
    ),
    Row(
        profile="jenkins_build",
        api="jenkins",
        options={"job": "x"},
        result=DOCUMENT,
        ends={"fail": (FAILED, "FAILURE"), "unstable": (FAILED, "UNSTABLE"), "abort": (CANCELLED, "ABORTED")},
    ),
    Row(
        profile="jenkins_build",
        label="jenkins_build-artifacts",
        api="jenkins",
        many=True,
        options={
            "job": "x",
            "result": {
                "value": None,
                "path": "{status_url}artifact/{+artifacts[*].relativePath}",
                "name": "artifacts[*].fileName",
            },
        },
        arguments={"endpoint": "job/x/build"},
        result={"a.csv": "id,name\n1,row 1\n2,row 2\n3,row 3\n"},
        ends={"fail": (FAILED, "FAILURE")},
        polls_before_cancel=3,  # it has left the queue by then
    ),
    Row(
        profile="awx_job",
        api="awx",
        options={"job_template": 7},
        json={"extra_vars": {}},
        result={"rows": 3},
        ends={"fail": (FAILED, "failed"), "error": (FAILED, "boom")},
    ),
    Row(
        profile="dbt_cloud_run",
        api="dbt",
        options={"account_id": 1, "dbt_job_id": 2},
        json={"cause": "test"},
        result=DOCUMENT,
        ends={"fail": (FAILED, "Runtime Error in model a")},
    ),
    Row(
        profile="dbt_cloud_run",
        label="dbt_cloud_run-artifacts",
        api="dbt",
        many=True,
        options={
            "account_id": 1,
            "dbt_job_id": 2,
            "result": {
                "value": None,
                "path": [
                    "api/v2/accounts/{account_id}/runs/{job_id}/artifacts/manifest.json",
                    "api/v2/accounts/{account_id}/runs/{job_id}/artifacts/run_results.json",
                ],
            },
        },
        json={"cause": "test"},
        result={"manifest.json": JSON, "run_results.json": JSON},
        ends={"fail": (FAILED, "Runtime Error in model a")},
    ),
]
