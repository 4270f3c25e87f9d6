# SPDX-License-Identifier: Apache-2.0
"""From a ``destination`` argument to the place that it names."""

from __future__ import annotations

from typing import Any

from airflow_async_provider._download.destination.base import Destination
from airflow_async_provider._download.locations import Location
from airflow_async_provider._download.options import StoreOptions


def open_destination(
    destination: str | Location, options: StoreOptions | None = None, **settings: Any
) -> Destination:
    """
    The place that a ``destination`` argument names. Touches neither network nor disk.

    :param destination: absolute path, ``file://`` URL, ``s3://bucket/key``, or any other URL that Airflow's
        ``ObjectStoragePath`` opens (``gs://conn_id@bucket/key``)
    :param options: how to store there
    :param settings: the same one by one, as :class:`~.._download.options.StoreOptions` takes them
    :raises ConfigurationError: relative path, unknown form, options that do not fit it
    """
    options = options or StoreOptions(**settings)
    location = destination if isinstance(destination, Location) else options.read(destination)
    if location.kind == "file":
        from airflow_async_provider._download.destination.local_file import LocalFile

        return LocalFile(location.path, if_exists=options.if_exists)
    if location.kind == "s3":
        from airflow_async_provider._download.destination.s3 import S3Object

        return S3Object(
            location.bucket,
            location.key,
            aws_conn_id=location.conn_id or options.aws_conn_id,
            if_exists=options.if_exists,
            options=options.s3_extra_args,
        )
    from airflow_async_provider._download.destination.object_storage import StoredObject

    return StoredObject(location.uri, if_exists=options.if_exists, options=options.object_storage_options)
