# SPDX-License-Identifier: Apache-2.0
"""Reports of advertising networks by their descriptions: Amazon Ads, Bing Ads, Pinterest, Facebook."""

from __future__ import annotations

from tests.support.stand_ins import FAILED, GZIPPED, Row

REPORT = {
    "startDate": "2026-01-01",
    "endDate": "2026-01-31",
    "configuration": {"reportTypeId": "x", "columns": ["y"]},
}

ROWS = [
    Row(
        profile="amazon_ads_report",
        api="amazon_ads",
        options={"client_id": "client-1", "profile_id": "7"},
        json=REPORT,
        result='[{"campaignId": 1}, {"campaignId": 2}]',
        ends={"fail": (FAILED, "Internal error")},
    ),
    Row(
        profile="bing_ads_bulk",
        api="bing_bulk",
        options={"customer_id": "11", "customer_account_id": "22"},
        json={"AccountIds": [1], "DataScope": "x", "DownloadEntities": ["Campaigns"], "FormatVersion": "6.0"},
        result=GZIPPED,
        ends={"fail": (FAILED, "The download failed"), "resync": (FAILED, "FailedFullSyncRequired")},
        cancelled=None,
    ),
    Row(
        profile="pinterest_report",
        api="pinterest",
        options={"ad_account_id": "5"},
        json={
            "start_date": "x",
            "end_date": "y",
            "granularity": "DAY",
            "columns": ["c"],
            "level": "CAMPAIGN",
        },
        result="id,name\n1,row 1\n2,row 2\n3,row 3\n",
        ends={"fail": (FAILED, "FAILED"), "expire": (FAILED, "EXPIRED")},
        cancelled=None,
    ),
    Row(
        profile="facebook_insights",
        api="facebook",
        options={"account_id": "12"},
        json={"level": "ad", "fields": "impressions"},
        result=[{"ad_id": str(n)} for n in range(1, 7)],
        ends={"fail": (FAILED, "Please retry with less data"), "skip": (FAILED, "Job Skipped")},
        cancelled=None,
    ),
]
