# SPDX-License-Identifier: Apache-2.0
"""
Lineage for OpenLineage: which remote endpoint a stored result came from.

Airflow's OpenLineage provider asks operators for it. It is optional and imported only when it asks. The names
of datasets hold neither query strings nor users and passwords.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit


class Dataset(NamedTuple):
    """A dataset's name, as OpenLineage has it: ``namespace`` is the system, ``name`` the thing in it."""

    namespace: str
    name: str


def remote_dataset(base_url: str, path: str) -> Dataset:
    """
    A remote endpoint.

    :param base_url: of the connection
    :param path: below it, or a whole URL at the same remote
    """
    base = urlsplit(base_url)
    below = urlsplit(path)
    if below.scheme and below.netloc:
        base, path = below, ""
    host = base.netloc.rpartition("@")[2]
    whole = f"{base.path.strip('/')}/{path.split('#')[0].split('?')[0].strip('/')}"
    return Dataset(f"{base.scheme}://{host}", whole.strip("/") or "/")


def stored_dataset(uri: str) -> Dataset:
    """
    A destination; names as in OpenLineage's naming rules for S3, Google and files.

    :param uri: a path, or a URL: that of a file is encoded, any other one is not
    """
    if uri.startswith("/"):
        return Dataset("file", uri)
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return Dataset("file", unquote(rest))
    container, _, key = rest.partition("/")
    return Dataset(f"{scheme}://{container.rpartition('@')[2]}", key or "/")


def lineage(source: Dataset | None, target: Dataset | None, *, size: int | None = None) -> Any:
    """
    One dataset in, one out; None without OpenLineage.

    :param size: bytes of what was written
    """
    try:
        from airflow.providers.common.compat.openlineage.facet import (
            InputDataset,
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage
    except ImportError:
        return None
    facets: dict[str, Any] = {}
    if size is not None:
        facets["outputStatistics"] = OutputStatisticsOutputDatasetFacet(size=size)
    return OperatorLineage(
        inputs=[] if source is None else [InputDataset(namespace=source.namespace, name=source.name)],
        outputs=[]
        if target is None
        else [OutputDataset(namespace=target.namespace, name=target.name, outputFacets=facets)],
    )
