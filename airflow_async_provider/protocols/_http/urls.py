# SPDX-License-Identifier: Apache-2.0
"""Addresses that a remote hands out, and addresses made from its ids: read strictly, never trusted."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit

from airflow_async_provider.errors import ConfigurationError, UnreadableAnswerError
from airflow_async_provider.protocols._http_messages import HttpResponse

#: Query parameters that make a URL speak for itself (S3, Google Cloud Storage, Azure SAS, CloudFront, OSS).
SIGNATURE_PARAMETERS = frozenset(
    {"x-amz-signature", "x-goog-signature", "x-oss-signature", "signature", "sig", "awsaccesskeyid"}
)

#: Nobody's monitor has an address longer than this; the handle that keeps it must stay small (characters).
MAX_URL = 8000

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_METHOD = re.compile(r"(DELETE|PATCH|POST|PUT) +(?=\S)")


def absolute(reference: str, response: HttpResponse, *, job: str, what: str) -> str:
    """
    A URI reference made absolute against the URL that answered (RFC 9110 §10.2.2).

    A URL that is absolute already stays exactly as it is. Where the answering URL is not known, a relative
    one stays relative, and the transport puts it below the connection's base URL.

    :param what: what kind of URL, for the message
    :raises UnreadableAnswerError: no usable http or https address
    """
    try:
        url = reference.strip(" \t")
        if not urlsplit(url).scheme:
            url = urljoin(response.url, url)
        parts = urlsplit(url)
        usable = (
            bool(url) and parts.scheme in ("http", "https", "") and bool(parts.hostname or not parts.scheme)
        )
        # Reading the port checks it. A user in a URL would be a credential from the other side.
        usable = usable and (parts.port is None or parts.port > 0) and "@" not in parts.netloc
        usable = usable and not (parts.netloc and not parts.scheme) and len(url) <= MAX_URL
        # One parser's host is another one's path with these characters in it.
        usable = usable and not any(c <= " " or c == "\\" or "\x7f" <= c <= "\x9f" for c in url)
        url.encode()
    except ValueError:
        usable = False
    if not usable:
        raise UnreadableAnswerError(
            f"HTTP {response.status} for {job}: the {what} is no usable http or https address.",
            job=job,
            http_status=response.status,
        )
    return url


def same_origin(one: str, other: str) -> bool:
    """Whether two absolute URLs have the same scheme, host and port."""
    first, second = origin(one), origin(other)
    return first is not None and first == second


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http or https URL, None for anything else."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            return None
        return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme]
    except ValueError:
        return None


def is_signed(url: str) -> bool:
    """Whether a URL carries its permission in itself, so that it wants no credentials."""
    try:
        return any(name.lower() in SIGNATURE_PARAMETERS for name, _ in parse_qsl(urlsplit(url).query))
    except ValueError:
        return False


def was_redirected(asked: str, response: HttpResponse) -> bool:
    """
    Whether another resource answered than the one asked for.

    Compared by path, so that a client's own way of quoting does not look like a redirect.

    :param asked: absolute, or below the connection's base URL
    """
    try:
        path, answered = unquote(urlsplit(asked).path), unquote(urlsplit(response.url).path)
    except ValueError:
        return False
    if not answered or (origin(asked) is not None and not same_origin(asked, response.url)):
        return bool(answered)
    return answered != path if origin(asked) is not None else not answered.endswith("/" + path.lstrip("/"))


def digest(text: str) -> str:
    """A short name for what must not be shown in full."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


class PathTemplate:
    """
    An address with ``{job_id}`` or ``{status_url}`` in it, optionally with a method in front.

    ``jobs/{job_id}``, ``PUT jobs/{job_id}/cancel``, ``POST {status_url}:cancel``. Plain replacement: nothing
    of the remote's id is taken for a format instruction, and what is put in is quoted.

    :param text: the template
    :param slashes: the id may hold slashes (a Google operation's name is a path)
    :raises ConfigurationError: an unknown placeholder, or ``{status_url}`` elsewhere than at the start
    """

    __slots__ = ("method", "path", "slashes")

    def __init__(self, text: str, *, slashes: bool = False) -> None:
        match = _METHOD.match(text)
        self.method = match[1] if match else "POST"
        self.path = text[match.end() :] if match else text
        self.slashes = slashes
        names = _PLACEHOLDER.findall(self.path)
        rest = _PLACEHOLDER.sub("", self.path)
        if not self.path or any(c.isspace() or c in "{}\\" for c in rest):
            raise ConfigurationError(f"{text!r} is no usable path template.")
        if not set(names) <= {"job_id", "status_url"} or "{status_url}" in self.path[1:]:
            raise ConfigurationError(
                f"{text!r}: a path template knows {{job_id}}, and {{status_url}} at its start."
            )

    def fill(self, *, job_id: str, status_url: str | None = None) -> str:
        """
        The address.

        :raises ValueError: an id that would lead to another place, or a status URL that is not there
        """
        if "{job_id}" in self.path and any(s in ("", ".", "..") for s in self._segments(job_id)):
            raise ValueError("this job id cannot be part of a path")
        path = self.path.replace("{job_id}", quote(job_id, safe="/" if self.slashes else ""))
        if not path.startswith("{status_url}"):
            return path
        if not status_url:
            raise ValueError("there is no status URL")
        base, mark, query = status_url.partition("?")
        return base + path.removeprefix("{status_url}") + mark + query

    def _segments(self, job_id: str) -> list[str]:
        return job_id.split("/") if self.slashes else [job_id]
