# SPDX-License-Identifier: Apache-2.0
"""
Runs when somebody outside sends something; nothing polls.

Make the address once: ``airflow push-sources add orders --asset orders``. See docs/push_for_assets.md.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, task

ORDERS = Asset("orders")

with DAG(
    "example_push_for_assets", schedule=ORDERS, catchup=False, tags=["example", "push"], doc_md=__doc__
) as dag:

    @task
    def book(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """What was sent, in order; deliveries that came together are one run before Airflow 3.4."""
        deliveries = [event.extra for event in triggering_asset_events[ORDERS]]
        return [
            {"id": delivery["delivery_id"], "came": delivery["received_at"], "order": delivery["payload"]}
            for delivery in deliveries
        ]

    book()
