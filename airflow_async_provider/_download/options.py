# SPDX-License-Identifier: Apache-2.0
"""How a result is stored: what all operators with a destination have as arguments."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from airflow_async_provider._download.limits import (
    MAX_RESULT_BYTES,
    MAX_RESULT_SECONDS,
    MIN_BYTES_PER_SECOND,
    DownloadLimits,
)
from airflow_async_provider._download.locations import Location, is_folder, read_location
from airflow_async_provider._download.s3_arguments import check_s3_arguments
from airflow_async_provider.errors import ConfigurationError

IfExists = Literal["replace", "skip", "fail"]
Unpack = Literal["gzip", "zip"]

#: Templated arguments of every operator with a destination.
STORE_TEMPLATE_FIELDS = ("destination", "aws_conn_id", "s3_extra_args", "object_storage_options")

#: ``charset``: the one in the media type of the answer, UTF-8 where it names none.
DECLARED = "declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """
    Everything but the address. Made where the DAG is parsed, it refuses what cannot be right.

    :param if_exists: ``replace`` what is there, ``skip`` the result, or ``fail``
    :param aws_conn_id: Airflow connection for ``s3://`` destinations that name none
    :param s3_extra_args: for ``s3://`` further arguments of the upload, as boto3 names them
        (``{"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": …, "Tagging": {"team": "data"}}``); they win
        over ``extra_args`` in the extra of the AWS connection
    :param object_storage_options: for other URLs storage options of the file system, beside the connection's
    :param max_result_bytes: largest result, as it is stored (bytes, default 100 GiB); None for any size
    :param min_bytes_per_second: slowest pace, over five minutes (default 1024); None for any
    :param max_result_seconds: longest download (default 24 hours); None for any
    :param unpack: ``gzip`` or ``zip``: store what is packed in the result; what does not begin as gzip does
        is stored as it is
    :param charset: decode text from this charset and store it as UTF-8; ``declared`` takes the one that the
        answer names
    :raises ConfigurationError: one of them cannot be
    """

    if_exists: IfExists = "replace"
    aws_conn_id: str | None = "aws_default"
    s3_extra_args: Mapping[str, Any] | None = field(default=None, repr=False)
    object_storage_options: Mapping[str, Any] | None = field(default=None, repr=False)
    max_result_bytes: int | None = MAX_RESULT_BYTES
    min_bytes_per_second: float | None = MIN_BYTES_PER_SECOND
    max_result_seconds: float | None = MAX_RESULT_SECONDS
    unpack: Unpack | None = None
    charset: str | None = None

    def __post_init__(self) -> None:
        if self.if_exists not in get_args(IfExists):
            raise ConfigurationError(
                f"if_exists must be 'replace', 'skip' or 'fail', not {self.if_exists!r}."
            )
        if self.unpack is not None and self.unpack not in get_args(Unpack):
            raise ConfigurationError(f"unpack must be 'gzip', 'zip' or None, not {self.unpack!r}.")
        if self.charset is not None and self.charset != DECLARED:
            _check_charset(self.charset)
        check_s3_arguments(self.s3_extra_args)
        if not isinstance(self.object_storage_options, Mapping | None):
            raise ConfigurationError("object_storage_options must be a dictionary.")
        _ = self.limits

    @property
    def limits(self) -> DownloadLimits:
        """The bounds among them."""
        return DownloadLimits(
            max_bytes=self.max_result_bytes,
            min_bytes_per_second=self.min_bytes_per_second,
            max_seconds=self.max_result_seconds,
        )

    @property
    def transforms(self) -> bool:
        """Whether other bytes are stored than the ones that come."""
        return self.unpack is not None or self.charset is not None

    def read(self, destination: str, *, folder: bool = False) -> Location:
        """
        Read a destination, and look whether the options fit it.

        :param folder: it is a prefix for several files
        :raises ConfigurationError: they do not, or it is not a usable address
        """
        location = read_location(destination, folder=folder)
        if self.s3_extra_args and location.kind != "s3":
            raise ConfigurationError(
                f"s3_extra_args applies to s3:// destinations, not to {location.uri}. For other storages use "
                "object_storage_options."
            )
        if self.object_storage_options and location.kind != "other":
            instead = " Use s3_extra_args." if location.kind == "s3" else ""
            raise ConfigurationError(
                f"object_storage_options applies to destinations of other storages, not to {location.uri}."
                + instead
            )
        return location

    def check(self, destination: Any) -> None:
        """
        Look at a destination as it stands in a DAG; one with a template is looked at when it is rendered.

        :raises ConfigurationError: it is not a usable address, or the options do not fit it
        """
        if isinstance(destination, str) and "{{" not in destination and "{%" not in destination:
            self.read(destination, folder=is_folder(destination))


def _check_charset(name: Any) -> None:
    try:
        codec = codecs.lookup(name)
    except (LookupError, TypeError, ValueError):
        raise ConfigurationError(
            f"charset must be a charset that Python knows ('iso-8859-1') or {DECLARED!r}, not {name!r}."
        ) from None
    if not codec._is_text_encoding:
        raise ConfigurationError(f"charset must be a charset of text, not {name!r}.")
