# SPDX-License-Identifier: Apache-2.0
"""What a stored result says about itself in the asset events of its task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_async_provider._polling.wait_log import Log

if TYPE_CHECKING:
    from airflow_async_provider._download.fetch import DownloadReport
    from airflow_async_provider._download.files import FilesReport


def add_to_outlets(
    context: Mapping[str, Any], outlets: Iterable[Any], report: DownloadReport | FilesReport, log: Log
) -> None:
    """
    Put ``uri``, ``bytes`` and ``sha256`` into the event of every outlet.

    An asset gets them in the extra of its event, beside what is there already. An asset alias, which stands
    for whatever a task has stored, gets an event for the asset of the stored object's URI.

    :param outlets: the task's outlets; those that are no assets are left alone
    """
    from airflow.sdk.definitions.asset import Asset, AssetAlias, AssetRef

    facts = {"uri": report.uri, "bytes": report.bytes, "sha256": report.sha256}
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            try:
                asset = Asset(uri=asset_uri(report.uri))
            except ValueError as e:  # longer than Airflow's database takes; the result itself is stored
                log.warning("No event for the asset alias %r: %s", outlet.name, e)
                continue
            context["outlet_events"][outlet].add(asset, extra=facts)
        elif isinstance(outlet, Asset | AssetRef):
            context["outlet_events"][outlet].extra.update(facts)


def asset_uri(uri: str) -> str:
    """
    The URI of a stored object as an asset's.

    Airflow reads it as a URL: it would cut the key of an S3 object at ``#`` and sort what follows ``?``. The
    URI of a file is one already.
    """
    return uri if uri.startswith("file:") else quote(uri, safe="/:@!$&'()*+,;=~")
