# SPDX-License-Identifier: Apache-2.0
"""Where a task's result goes, how it is stored, and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._settings import triggerer_store_below

StoreFrom = Literal["worker", "triggerer"]


class DestinationArguments(Protocol):
    """A task with the arguments of a destination."""

    @property
    def destination(self) -> str | None:
        """The address."""

    @property
    def aws_conn_id(self) -> str | None:
        """Airflow connection for ``s3://``."""

    @property
    def s3_extra_args(self) -> Mapping[str, Any] | None:
        """Further arguments of an upload to S3."""

    @property
    def object_storage_options(self) -> Mapping[str, Any] | None:
        """Options of other storages."""

    @property
    def store_options(self) -> StoreOptions:
        """All of them, as they stand in the DAG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """
    The arguments of a destination, once the task's templates are rendered.

    :param destination: ``s3://bucket/key``, an absolute path or ``file://`` URL, or any URL that Airflow's
        ObjectStoragePath opens, a prefix with a slash at its end for several files
    :param options: how it is stored
    :param store_from: ``worker``, ``triggerer``, or None: the triggerer for results that expire soon
    """

    destination: str
    options: StoreOptions
    store_from: StoreFrom | None = "worker"

    @classmethod
    def of(cls, task: DestinationArguments, *, store_from: StoreFrom | None = "worker") -> StoreSettings:
        """
        The settings of a task that has a destination.

        :param store_from: who stores the result
        :raises ConfigurationError: options that cannot be
        """
        options = replace(
            task.store_options,
            aws_conn_id=task.aws_conn_id,
            s3_extra_args=task.s3_extra_args,
            object_storage_options=task.object_storage_options,
        )
        return cls(destination=str(task.destination), options=options, store_from=store_from)

    @property
    def triggerer_may_store(self) -> bool:
        """Whether a triggerer may be asked to store the result."""
        if self.store_from is None:
            return triggerer_store_below() > 0
        return self.store_from == "triggerer"
