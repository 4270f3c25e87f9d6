# SPDX-License-Identifier: Apache-2.0
"""
Every error this package raises, one tree.

::

    AsyncJobError
    ├── ConfigurationError          the connection or an argument is wrong; nothing was sent
    │   ├── ConnectionNotFoundError Airflow knows no connection of that name; nothing was sent
    │   └── JobElsewhereError       the connection points to another system than the job's; nothing was sent
    ├── SubmitError                 the remote refused to start the job; no job exists
    │   └── SubmitUnknownError      the answer was lost: a job may or may not exist
    ├── JobError                    the job itself ended badly
    │   ├── JobFailedError          the remote says "failed"
    │   ├── JobCancelledError       the remote says "cancelled"
    │   ├── JobBlockedError         the remote waits for a person; no end will come by itself
    │   ├── JobNotRunError          the remote ended the job without running it
    │   ├── JobExpiredError         the remote no longer knows the job, or its result is gone
    │   └── JobTimeoutError         the deadline passed before the job ended
    │       └── JobHeartbeatTimeoutError  the job has stopped giving signs of life
    ├── RemoteError                 talking to the remote went wrong; says nothing about the job
    │   ├── TransientError          worth another try (429, 5xx, reset, time-out)
    │   ├── AuthenticationError     401 even with a fresh token
    │   ├── AuthorizationError      403
    │   ├── UnreadableAnswerError   an answer that cannot be understood
    │   ├── AnswerTooLargeError     an answer that is too large for the triggerer; a worker can read it
    │   ├── DescriptionError        an answer without what the description of the API promises
    │   ├── RequestRefusedError     any other 4xx
    │   └── OriginError             a URL pointed to a host that must not get credentials
    ├── ResultError                 the job succeeded, its result could not be fetched
    │   ├── ResultExpiredError      the result URL is no longer valid
    │   ├── ResultMissingError      404 from the result URL after patience ran out
    │   ├── ResultChangedError      the object changed while it was being read
    │   ├── ResultLimitError        larger, slower or longer than the task allows
    │   ├── DownloadError           broken off, too short, refused
    │   └── DestinationExistsError  ``if_exists="fail"`` and something is there
    └── CallbackError               a callback could not be understood

All carry their facts as attributes (:attr:`AsyncJobError.job`, ``state``, ``remote_status``, ``http_status``,
``request_id`` …), so code never parses a message. No attribute and no message holds a credential, a result
URL or a callback secret; messages name hosts and paths only.
"""

from __future__ import annotations


class AsyncJobError(Exception):
    """
    Base of every error of this package.

    :param message: what happened, to which job, and what to do about it
    :param job: the job's display name (never a credential or a signed URL)
    :param state: the normalised state, a value of :class:`~airflow_async_provider.protocols.JobState`
    :param remote_status: the state in the remote's own word
    :param http_status: status of the answer this is about
    :param request_id: the remote's id of that request, to quote to its support
    """

    #: Whether the same request had been sent before, and its answer was lost: it may have been carried out.
    lost_before = False

    def __init__(
        self,
        message: str,
        *,
        job: str | None = None,
        state: str | None = None,
        remote_status: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.job = job
        self.state = state
        self.remote_status = remote_status
        self.http_status = http_status
        self.request_id = request_id


class ConfigurationError(AsyncJobError, ValueError):
    """The connection or an argument is wrong. Nothing was sent."""


class ConnectionNotFoundError(ConfigurationError):
    """Airflow knows no connection of that name, or its secrets backend does not answer. Nothing was sent."""


class JobElsewhereError(ConfigurationError):
    """
    A job belongs to another system than the one that its connection points to now.

    Nothing was asked, taken over or cancelled: a job of that id may belong to another user there.
    """


class SubmitError(AsyncJobError):
    """The remote refused to start the job. No job exists."""


class SubmitUnknownError(SubmitError):
    """
    The answer to the submission was lost, so a job may or may not exist.

    Raised where the remote gives no means to find out, or none yet: it may start the job later than we look
    for it. Retrying the task may start a second job.
    """


class JobError(AsyncJobError):
    """The job ended, or must be given up, without a result."""


class JobFailedError(JobError):
    """The remote says that the job failed."""


class JobCancelledError(JobError):
    """The remote says that the job was cancelled."""


class JobBlockedError(JobError):
    """The remote holds the job until a person acts; neither an end nor a callback will come by itself."""


class JobNotRunError(JobError):
    """The remote ended the job without running it (inactive, skipped, empty)."""


class JobExpiredError(JobError):
    """The remote no longer answers for the job, or its result is gone and may not be made again."""


class JobTimeoutError(JobError, TimeoutError):
    """The deadline passed before the job ended."""


class JobHeartbeatTimeoutError(JobTimeoutError):
    """The job has given no sign of life for longer than ``heartbeat_timeout``."""


class RemoteError(AsyncJobError):
    """Talking to the remote went wrong. This says nothing about the job itself."""


class TransientError(RemoteError):
    """
    A failure that is worth another try: 429, 5xx, a reset, a time-out.

    :param retry_after: seconds that the remote asked us to wait, None when it did not say
    :param sent: False when the request surely never reached the remote (refused connection, DNS), so
        that even a request that is not idempotent may be sent again
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        sent: bool = True,
        job: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, job=job, http_status=http_status, request_id=request_id)
        self.retry_after = retry_after
        self.sent = sent


class AuthenticationError(RemoteError):
    """The remote does not accept the credentials (401), a fresh token included."""


class AuthorizationError(RemoteError):
    """The credentials are known but may not do this (403)."""


class UnreadableAnswerError(RemoteError):
    """
    The remote answered something that cannot be understood.

    :param excerpt: the beginning of the answer, bounded and with secrets masked
    """

    def __init__(
        self,
        message: str,
        *,
        excerpt: str = "",
        job: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(
            f"{message} The answer began: {excerpt!r}" if excerpt else message,
            job=job,
            http_status=http_status,
            request_id=request_id,
        )
        self.excerpt = excerpt


class AnswerTooLargeError(RemoteError):
    """
    The answer is larger than the triggerer reads (``max_status_bytes`` of the connection).

    Parsing it would hold up all jobs that wait there. A worker reads answers of up to 16 MiB.
    """


class DescriptionError(RemoteError):
    """
    An answer that can be read, without what the description of the API says must be there.

    Another request would give the same: the description has to be changed (a wrong JSON path, a word in no
    list).
    """


class RequestRefusedError(RemoteError):
    """The remote refused the request (a 4xx that is neither 401, 403 nor 429)."""


class OriginError(RemoteError):
    """A URL given by the remote points to a host that the connection does not list. Nothing was sent."""


class ResultError(AsyncJobError):
    """The job succeeded but its result could not be fetched or stored."""


class ResultExpiredError(ResultError):
    """The result URL is no longer valid."""


class ResultMissingError(ResultError):
    """The result URL kept answering 404."""


class ResultChangedError(ResultError):
    """The object behind the result URL changed while it was being read, so the parts do not fit together."""


class ResultLimitError(ResultError):
    """The result is larger, comes slower or takes longer than the task's arguments allow."""


class DownloadError(ResultError):
    """The download broke off, ended short, or was refused."""


class DestinationExistsError(ResultError):
    """``if_exists="fail"`` and the destination exists already."""


class CallbackError(AsyncJobError):
    """An authentic callback could not be understood."""
