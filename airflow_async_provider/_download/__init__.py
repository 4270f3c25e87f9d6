# SPDX-License-Identifier: Apache-2.0
"""From a result URL to a file, an S3 object or any object storage, streaming."""

from airflow_async_provider._download.destination.opening import open_destination
from airflow_async_provider._download.fetch import DownloadReport, download, write_bytes, write_chunks
from airflow_async_provider._download.files import FilesReport, FileToStore, store_files
from airflow_async_provider._download.options import IfExists, StoreOptions
from airflow_async_provider._download.pages import PageAnswer, store_pages
from airflow_async_provider._download.source.http import DownloadRetryPolicy, HttpSource
from airflow_async_provider._download.source.parallel import Parallel

__all__ = [
    "DownloadReport",
    "DownloadRetryPolicy",
    "FileToStore",
    "FilesReport",
    "HttpSource",
    "IfExists",
    "PageAnswer",
    "Parallel",
    "StoreOptions",
    "download",
    "open_destination",
    "store_files",
    "store_pages",
    "write_bytes",
    "write_chunks",
]
