# SPDX-License-Identifier: Apache-2.0
"""Addresses that a remote hands out, and addresses made from its ids: read strictly, never trusted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, unquote_plus, urlencode, urljoin, urlsplit

from airflow_async_provider._urls import same_origin, without_query
from airflow_async_provider.errors import UnreadableAnswerError
from airflow_async_provider.protocols._http_messages import HttpResponse

#: Query parameters that make a URL speak for itself (S3, Google Cloud Storage, Azure SAS, CloudFront, OSS).
SIGNATURE_PARAMETERS = frozenset(
    {"x-amz-signature", "x-goog-signature", "x-oss-signature", "signature", "sig", "awsaccesskeyid"}
)

#: Nobody's monitor has an address longer than this; the handle that keeps it must stay small (characters).
MAX_URL = 8000


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
        url = _own_https(url, response.url)
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
            f"HTTP {response.status} for {job}: the {what} is not a usable http or https address.",
            job=job,
            http_status=response.status,
        )
    return url


def _own_https(url: str, answered: str) -> str:
    """
    An ``http://`` address of the very host that has answered by https, taken to its https origin.

    Services behind a proxy that ends TLS often believe that they are asked by http, and say so in
    ``Location``.
    """
    if url[:7].lower() != "http://" or answered[:8].lower() != "https://":
        return url
    own, other = urlsplit(answered), urlsplit(url)
    if other.hostname != own.hostname or other.port not in (None, 80, own.port or 443) or "@" in other.netloc:
        return url
    return f"https://{own.netloc}{url[7 + len(other.netloc) :]}"


#: What a page where one logs in is called, at the end of a redirect.
_LOGIN = re.compile(
    r"(^|[/._-])(log-?in|sign-?in|sso|saml2?|oauth2?|authorize|openid-connect|adfs)([/._?-]|$)", re.IGNORECASE
)


def is_login(url: str) -> bool:
    """Whether an address looks like a page where a person logs in, which is no result."""
    try:
        parts = urlsplit(url)
        return not is_signed(url) and bool(
            _LOGIN.search(f"{(parts.hostname or '').split('.')[0]}/{parts.path}")
        )
    except ValueError:
        return False


def with_query(url: str, values: Mapping[str, str]) -> str:
    """A URL with these query parameters, in place of those that it has of the same names."""
    base, _, query = url.partition("?")
    query = query.partition("#")[0]
    kept = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in values]
    return f"{base}?{'&'.join([*kept, urlencode(list(values.items()))])}"


def query_value(url: str, name: str) -> str | None:
    """A query parameter of a URL, None when it has none of the name."""
    try:
        return next((v for k, v in parse_qsl(urlsplit(url).query, keep_blank_values=True) if k == name), None)
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
    if not answered:
        return False
    if "://" in without_query(asked):
        return answered != path or not same_origin(asked, response.url)
    return not answered.endswith("/" + path.lstrip("/"))


def digest(text: str) -> str:
    """A short name for what must not be shown in full."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
