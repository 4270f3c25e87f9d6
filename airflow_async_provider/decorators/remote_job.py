# SPDX-License-Identifier: Apache-2.0
"""``@task.remote_job``: a function that starts a job, and a task that waits for it without a worker."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from airflow_async_provider.operators._submission import SUBMISSION
from airflow_async_provider.operators.remote_job import RemoteJobOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator


class _RemoteJobDecoratedOperator(  # type: ignore[misc] # both have op_args, of types that fit each other
    DecoratedOperator, RemoteJobOperator
):
    """
    What ``@task.remote_job`` makes of a function.

    :param python_callable: the function, without its parameter ``submission``
    :param op_args: its arguments
    :param op_kwargs: the same by name
    :param kwargs: arguments of :class:`~airflow_async_provider.operators.remote_job.RemoteJobOperator`
    """

    template_fields: Sequence[str] = RemoteJobOperator.template_fields
    template_fields_renderers: ClassVar[dict[str, str]] = RemoteJobOperator.template_fields_renderers
    shallow_copy_attrs: Sequence[str] = RemoteJobOperator.shallow_copy_attrs
    custom_operator_name = "@task.remote_job"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        start = getattr(python_callable, "__wrapped__", python_callable)
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            kwargs_to_upstream={"start": start, "op_args": op_args, "op_kwargs": op_kwargs},
            **kwargs,
        )


def remote_job_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Wrap a function that starts a job into a task that waits for its end.

    The function's parameter ``submission`` is filled by the task and left out where the task is called.

    :param python_callable: the function
    :param kwargs: arguments of :class:`~airflow_async_provider.operators.remote_job.RemoteJobOperator` but
        ``start``, and of ``BaseOperator``
    """
    if python_callable is None:
        return cast("TaskDecorator", functools.partial(remote_job_task, **kwargs))
    return task_decorator_factory(
        python_callable=_without_submission(python_callable),
        decorated_operator_class=_RemoteJobDecoratedOperator,
        **kwargs,
    )


def _without_submission(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as callers of the task see it: without the parameter that the task fills."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def shown(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    seen = [p for name, p in signature.parameters.items() if name != SUBMISSION]
    shown.__signature__ = signature.replace(parameters=seen)  # type: ignore[attr-defined] # read by inspect
    return shown
