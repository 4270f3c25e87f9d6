# SPDX-License-Identifier: Apache-2.0
"""Customer data by its descriptions: SendGrid, Salesforce, Marketo, Auth0."""

from __future__ import annotations

from tests.support.stand_ins import FAILED, Row

ROWS = [
    Row(
        profile="sendgrid_contacts",
        api="sendgrid",
        many=True,
        json={"file_type": "csv"},
        result={
            "1.csv": "id,name\n1,row 1\n2,row 2\n",
            "2.csv": "id,name\n3,row 3\n4,row 4\n",
            "3.csv": "id,name\n5,row 5\n6,row 6\n",
        },
        ends={"fail": (FAILED, "The export could not be written")},
        cancelled=None,
    ),
    Row(
        profile="salesforce_query",
        api="salesforce",
        json={"operation": "query", "query": "SELECT Id FROM Account"},
        result="id,name\n" + "".join(f"{n},row {n}\n" for n in range(1, 7)),
        ends={"fail": (FAILED, "Field name not found")},
    ),
    Row(
        profile="salesforce_ingest",
        api="salesforce",
        many=True,
        json={"object": "Account", "operation": "insert", "contentType": "CSV"},
        arguments={"body": b"Name\nA\n"},
        result={
            "successfulResults": "id,name\n1,row 1\n",
            "failedResults": "sf__Id,sf__Error,Name\n",
            "unprocessedrecords": "Name\n",
        },
        ends={"fail": (FAILED, "Field name not found"), "partial": (FAILED, "numberRecordsFailed")},
    ),
    Row(
        profile="marketo_export",
        api="marketo",
        json={"fields": ["id"], "filter": {"createdAt": {}}},
        result="id,name\n1,row 1\n2,row 2\n3,row 3\n",
        ends={"fail": (FAILED, "Export failed")},
    ),
    Row(
        profile="auth0_users_export",
        api="auth0",
        json={"format": "json"},
        result='{"user_id": "a"}\n{"user_id": "b"}\n',
        ends={"fail": (FAILED, "failed")},
        cancelled=None,
    ),
]
