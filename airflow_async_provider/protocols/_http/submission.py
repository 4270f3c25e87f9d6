# SPDX-License-Identifier: Apache-2.0
"""The request that starts a job: what the description has, with what the task gives laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.requests import made, values_of
from airflow_async_provider.protocols._http_messages import HttpRequest

if TYPE_CHECKING:
    from airflow_async_provider.protocols._http.profile import HttpProfile

#: Methods that RFC 9110 §9.2.2 calls idempotent: sending one twice means no more than sending it once.
IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


def first_request(
    profile: HttpProfile,
    method: str | None = None,
    endpoint: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
    body: bytes | None = None,
    headers: Mapping[str, Any] | None = None,
    prefer_wait: int | None = None,
    idempotency_key: str | None = None,
    idempotency_header: str | None = None,
    idempotency_quoted: bool | None = None,
    callback_url: str | None = None,
    callback_field: str | None = None,
    callback_header: str | None = None,
    repeatable: bool | None = None,
) -> HttpRequest:
    """
    The request that starts the job, the first of a start in several.

    :param prefer_wait: send ``Prefer: respond-async, wait=n`` (RFC 7240): answer within n seconds if the
        job is done by then, else go on without us; 0 leaves ``wait`` out
    :param idempotency_key: the same one on every try
    :param idempotency_header: header for the key. Default: where the description says,
        ``Idempotency-Key``
    :param idempotency_quoted: whether the header's value is quoted, as
        draft-ietf-httpapi-idempotency-key-header says. Default: only ``Idempotency-Key`` is
    :param callback_url: address that the remote shall call; goes to ``callback_field`` and, or, to
        ``callback_header``
    :param callback_field: JSON path in the body for it
    :param callback_header: header for it
    :param repeatable: whether a lost answer allows to send the request again. Default: when the method
        is idempotent or there is an idempotency key
    :raises ConfigurationError: arguments that do not fit together
    """
    step = profile.description.start[0]
    method = (method or step.method or step.default_method).upper()
    path = endpoint or (step.path.text if step.path else "")
    if not path:
        raise ConfigurationError("Nothing says where a job is started: give endpoint, or start.path.")
    made_of = made(
        profile.description,
        step,
        values_of(profile.description, None),
        job="a job",
        where="start",
        url=path if endpoint or step.path is None else None,
    )
    params = {**(made_of.params or {}), **(params or {})}
    if json is None and body is None:
        json, body = made_of.json, made_of.body
    sent = _merged(made_of.headers, headers or {})
    if prefer_wait is not None:
        _prefer(sent, int(prefer_wait))
    if idempotency_key is not None:
        where = f"header:{idempotency_header}" if idempotency_header else step.idempotency_key
        quoted = step.idempotency_quoted if idempotency_quoted is None else idempotency_quoted
        json = _with_key(idempotency_key, where, quoted, sent, params, json)
    if callback_url is not None:
        json = _with_callback(callback_url, callback_field, callback_header, sent, json, body)
    if step.send is not None or len(profile.description.start) > 1:
        send = step.send or "json"
        json, body = (json if send == "json" else None), (body if send == "data" else None)
    for name, value in sent.items():
        if not isinstance(value, str) or any(c in value for c in "\r\n\0"):
            raise ConfigurationError(f"The value of header {name!r} must be a string of one line.")
    harmless = method in IDEMPOTENT_METHODS or idempotency_key is not None
    return HttpRequest(
        method,
        made_of.url,
        params=params or None,
        json=json,
        body=body,
        headers=sent,
        repeatable=next((r for r in (repeatable, step.repeatable) if r is not None), harmless),
    )


def _merged(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    names = {name.lower() for name in upper}
    return {**{k: v for k, v in lower.items() if k.lower() not in names}, **upper}


def _prefer(sent: dict[str, Any], wait: int) -> None:
    wish = "respond-async" + (f", wait={wait}" if wait else "")
    own = sent.pop(next((n for n in sent if n.lower() == "prefer"), "Prefer"), None)
    others = [p.strip() for p in str(own or "").split(",") if p.strip() and p.strip() != "respond-async"]
    sent["Prefer"] = ", ".join([*others, wish])


def _with_callback(
    url: str,
    path: str | None,
    header: str | None,
    headers: dict[str, Any],
    content: Any,
    body: bytes | None,
) -> Any:
    """Put the callback's address where it belongs; returns the JSON body."""
    if header is None and path is None:
        raise ConfigurationError("A callback needs callback_field or callback_header to name its address.")
    if header is not None:
        headers[header] = url
    if path is None:
        return content
    if body is not None:
        raise ConfigurationError("callback_field needs a JSON body; use callback_header with a raw one.")
    try:
        return json_path.write(content, path, url)
    except ValueError as e:
        raise ConfigurationError(f"callback_field: {e}.") from None


def _with_key(
    key: str, where: str, quoted: bool | None, headers: dict[str, Any], params: dict[str, Any], content: Any
) -> Any:
    """Put an idempotency key where it belongs; returns the body."""
    kind, _, name = where.partition(":")
    if kind == "header" and name:
        plain = quoted is False or (quoted is None and name.lower() != "idempotency-key")
        headers[name] = key if plain else _structured_string(key)
        return content
    if kind == "query" and name:
        params[name] = key
        return content
    if kind == "json" and name:
        try:
            return json_path.write(content, name, key)
        except ValueError as e:
            raise ConfigurationError(f"start.idempotency_key: {e}.") from None
    raise ConfigurationError(f"start.idempotency_key is header:NAME, query:NAME or json:PATH, not {where!r}.")


def _structured_string(text: str) -> str:
    """
    A Structured Field String (RFC 9651 §3.3.3): quoted, printable ASCII only.

    :raises ConfigurationError: other characters
    """
    if not text.isascii() or not text.isprintable():
        raise ConfigurationError("An idempotency key may hold printable ASCII characters only.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
