# SPDX-License-Identifier: Apache-2.0
"""Shops and purchasing by their descriptions: Amazon SP-API, Shopify, Ariba, Power BI."""

from __future__ import annotations

from tests.support.stand_ins import CANCELLED, FAILED, SUCCEEDED, ZIPPED, Row

MUTATION = 'mutation { bulkOperationRunQuery(query: "{ shop { id } }") { userErrors { message } } }'

ROWS = [
    Row(
        profile="sp_api_report",
        api="sp_api",
        json={"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": ["A1"]},
        result="sku\tprice\nA\t1\n",
        ends={"fail": (FAILED, "FATAL"), "empty": (CANCELLED, "CANCELLED")},
    ),
    Row(
        profile="sp_api_report",
        label="sp_api_report-empty_days_allowed",
        api="sp_api",
        options={"outcome": {"no_data": ["CANCELLED"], "cancelled": None}},
        json={"reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": ["A1"]},
        result="sku\tprice\nA\t1\n",
        ends={"fail": (FAILED, "FATAL"), "empty": (SUCCEEDED, "CANCELLED")},
        cancelled=SUCCEEDED,
    ),
    Row(
        profile="shopify_bulk",
        api="shopify",
        json={"query": MUTATION},
        result='{"id": 1}\n{"id": 2}\n',
        ends={"fail": (FAILED, "ACCESS_DENIED"), "empty": (SUCCEEDED, "COMPLETED")},
    ),
    Row(
        profile="ariba_reporting",
        api="ariba",
        many=True,
        options={"realm": "R"},
        json={"viewTemplateName": "V"},
        result={"a.zip": ZIPPED, "b c.zip": ZIPPED},
        ends={"fail": (FAILED, "failed"), "empty": (SUCCEEDED, "completedZeroRecords")},
        cancelled=None,
    ),
    Row(
        profile="powerbi_export",
        api="powerbi",
        options={"group_id": "g", "report_id": "r"},
        json={"format": "PDF"},
        result="%PDF-1.7 report",
        ends={"fail": (FAILED, "The report is broken")},
        cancelled=None,
    ),
]
