# SPDX-License-Identifier: Apache-2.0
"""
How known senders sign, by name, and how a user describes one that is not known.

Each name stands for values of :class:`~airflow_async_provider.protocols._signatures.HmacScheme` or
:class:`~airflow_async_provider.protocols._signatures.TokenScheme`, all of which a connection can give itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._signatures import HmacScheme, SignatureScheme, TokenScheme


def _standard(names: str) -> HmacScheme:
    return HmacScheme(
        f"{names}-signature",
        "v1,",
        signed="{id}.{timestamp}.{body}",
        timestamp=f"{names}-timestamp",
        id=f"{names}-id",
        separator=" ",
        key="base64",
        key_prefix="whsec_",
    )


#: Name -> scheme. Sources: the Standard Webhooks specification 1.0.0 and its reference library; Svix
#: "Verifying payloads"; Stripe "Verify webhook signatures"; Slack "Verifying requests from Slack"; GitHub
#: "Validating webhook deliveries"; Shopify "Verify webhooks"; GitLab "Webhooks", secret token. (With a
#: *signing token* GitLab signs as Standard Webhooks does.)
SCHEMES: Mapping[str, SignatureScheme] = {
    "standard-webhooks": _standard("webhook"),
    "svix": _standard("svix"),
    "stripe": HmacScheme(
        "Stripe-Signature",
        "v1=",
        encoding="hex",
        signed="{timestamp}.{body}",
        timestamp="t=",
        separator=",",
    ),
    "slack": HmacScheme(
        "X-Slack-Signature",
        "v0=",
        encoding="hex",
        signed="v0:{timestamp}:{body}",
        timestamp="X-Slack-Request-Timestamp",
    ),
    "github": HmacScheme("X-Hub-Signature-256", "sha256=", encoding="hex", id="X-GitHub-Delivery"),
    "shopify": HmacScheme("X-Shopify-Hmac-Sha256", id="X-Shopify-Event-Id"),
    "gitlab": TokenScheme("X-Gitlab-Token"),
}

_KINDS: Mapping[str, type[HmacScheme | TokenScheme]] = {s.kind: s for s in (HmacScheme, TokenScheme)}


def scheme_from(value: Any) -> SignatureScheme:
    """
    The scheme that a user describes, or that :meth:`~.._signatures.SignatureScheme.to_dict` has described.

    A text is a name of :data:`SCHEMES`, or else the name of the header of an HMAC. A dictionary has the
    values of a scheme, with ``kind``: ``hmac`` (also where it is left out), ``token``, or a name of
    :data:`SCHEMES`, of which the other values then replace single ones.

    :raises ConfigurationError: it describes no scheme
    """
    if isinstance(value, str):
        return known_scheme(value) or HmacScheme(value)
    if not isinstance(value, Mapping):
        raise ConfigurationError("A signature scheme is a name, or a dictionary such as {'header': …}.")
    kind = str(value.get("kind", HmacScheme.kind))
    values = {str(k): v for k, v in value.items() if k != "kind"}
    known = known_scheme(kind)
    if known is None and kind not in _KINDS:
        raise ConfigurationError(
            f"{kind!r} is not a kind of signature: choose one of {', '.join([*_KINDS, *SCHEMES])}."
        )
    try:
        return replace(known, **values) if known else _KINDS[kind](**values)  # type: ignore[type-var] # each scheme is a dataclass
    except TypeError as e:
        raise ConfigurationError(f"This is not a signature scheme of the kind {kind!r}: {e}") from e


def known_scheme(name: str) -> SignatureScheme | None:
    """The scheme of a name, spelt with ``-`` or ``_``; None for any other."""
    return SCHEMES.get(name.strip().lower().replace("_", "-"))
