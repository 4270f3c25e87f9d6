# SPDX-License-Identifier: Apache-2.0
"""
The forms of known senders: against values that their own libraries and documentation give.

The libraries are asked where they are installed (``requirements/dev.in``). Stripe's is 31 MB and not among
them, so what version 16.1.0 of it made is written down here.
"""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import Headers
from airflow_async_provider.protocols._signature_forms import SCHEMES, known_scheme, scheme_from
from airflow_async_provider.protocols._signatures import HmacScheme

BODY = '{"type": "job.done", "note": "ü"}'.encode()
MOMENT = 1700000000
WHSEC = "whsec_" + base64.b64encode(b"twenty-four bytes of key").decode()
SLACK_KEY = "8f742231b10e8888abcd99yyyzzz85a5"
STANDARD = "v1,5Sa7KIwolmeV2YUodrxYx/g0YoXq71QPqDIY+Yb79mw="
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
    b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
    b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)

# name -> form, key, headers, body, moment; what made the value
VECTORS: dict[str, tuple[str, str, dict[str, str], bytes, int]] = {
    "standardwebhooks 1.1.0": (
        "standard-webhooks",
        WHSEC,
        {"webhook-id": "msg_1", "webhook-timestamp": str(MOMENT), "webhook-signature": STANDARD},
        BODY,
        MOMENT,
    ),
    "svix 2.9.1": (
        "svix",
        WHSEC,
        {"svix-id": "msg_1", "svix-timestamp": str(MOMENT), "svix-signature": STANDARD},
        BODY,
        MOMENT,
    ),
    "stripe 16.1.0": (
        "stripe",
        "whsec_stripe",
        {
            "Stripe-Signature": f"t={MOMENT},"
            "v1=31a62157c8497d9022724c4b4285960bb6b33db9a677cf2e942ff1f879cde02d"
        },
        BODY,
        MOMENT,
    ),
    "slack_sdk 3.48.0": (
        "slack",
        SLACK_KEY,
        {
            "X-Slack-Request-Timestamp": str(MOMENT),
            "X-Slack-Signature": "v0=b6cc7dba5856b0c59dba8b139cf173adb7f6521c72b28f9808b0d464b2e04de0",
        },
        BODY,
        MOMENT,
    ),
    "Slack: Verifying requests from Slack": (
        "slack",
        SLACK_KEY,
        {
            "X-Slack-Request-Timestamp": "1531420618",
            "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        SLACK_BODY,
        1531420618,
    ),
    "GitHub: Validating webhook deliveries": (
        "github",
        "It's a Secret to Everybody",
        {
            "X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        },
        b"Hello, World!",
        MOMENT,
    ),
}


@pytest.mark.parametrize("vector", VECTORS)
def test_what_the_vendor_makes_verifies_and_nothing_near_it(vector: str) -> None:
    form, key, headers, body, moment = VECTORS[vector]
    scheme = SCHEMES[form]
    assert scheme.verify(key, Headers(headers), body, now=moment + 10)
    assert not scheme.verify(key, Headers(headers), body + b"\n", now=moment)
    assert not scheme.verify(key, Headers(headers), body[:-1], now=moment)
    assert not scheme.verify("whsec_AAAA", Headers(headers), body, now=moment)
    for name in set(headers) - {"X-GitHub-Delivery"}:  # which GitHub does not sign
        less = {n: v for n, v in headers.items() if n != name}
        assert not scheme.verify(key, Headers(less), body, now=moment)
        assert not scheme.verify(key, Headers({**headers, name: headers[name] + "1"}), body, now=moment)


@pytest.mark.parametrize("form", [name for name, s in SCHEMES.items() if getattr(s, "timestamp", "")])
def test_a_signed_moment_is_good_for_five_minutes(form: str) -> None:
    scheme = SCHEMES[form]
    _, key, headers, body, moment = next(v for v in VECTORS.values() if v[0] == form)
    for seconds, fits in {300: True, 301: False, -300: True, -301: False}.items():
        assert scheme.verify(key, Headers(headers), body, now=moment + seconds) is fits
    assert isinstance(scheme, HmacScheme)
    assert replace(scheme, tolerance=3600).verify(key, Headers(headers), body, now=moment + 3000)


# -- the libraries themselves, now


def test_standardwebhooks_and_this_package_read_each_other() -> None:
    library = pytest.importorskip("standardwebhooks")
    _read_each_other("standard-webhooks", "webhook", library.Webhook(WHSEC))


def test_svix_and_this_package_read_each_other() -> None:
    library = pytest.importorskip("svix.webhooks")
    _read_each_other("svix", "svix", library.Webhook(WHSEC))


def _read_each_other(form: str, names: str, webhook: Any) -> None:
    from airflow_async_provider.simulators._signing import FORMS, Message

    now = int(time.time())
    signature = webhook.sign("msg_2", datetime.fromtimestamp(now, UTC), BODY.decode())
    theirs = {f"{names}-id": "msg_2", f"{names}-timestamp": str(now), f"{names}-signature": signature}
    assert SCHEMES[form].verify(WHSEC, Headers(theirs), BODY, now=now)
    unpadded = WHSEC.rstrip("=")
    assert SCHEMES[form].verify(unpadded, Headers(theirs), BODY, now=now)
    ours = FORMS[form](WHSEC, Message("msg_2", now, BODY))
    webhook.verify(BODY, ours)
    with pytest.raises(Exception, match="No matching signature"):
        webhook.verify(BODY + b" ", ours)


def test_slack_sdk_and_this_package_read_each_other() -> None:
    library = pytest.importorskip("slack_sdk.signature")
    from airflow_async_provider.simulators._signing import FORMS, Message

    now = int(time.time())
    verifier = library.SignatureVerifier(SLACK_KEY)
    value = verifier.generate_signature(timestamp=str(now), body=BODY)
    theirs = {"X-Slack-Request-Timestamp": str(now), "X-Slack-Signature": value}
    assert SCHEMES["slack"].verify(SLACK_KEY, Headers(theirs), BODY, now=now)
    ours = FORMS["slack"](SLACK_KEY, Message("", now, BODY))
    assert verifier.is_valid_request(BODY, ours)
    assert not verifier.is_valid_request(BODY + b" ", ours)


def test_stripe_and_this_package_read_each_other() -> None:
    library = pytest.importorskip("stripe")
    from airflow_async_provider.simulators._signing import FORMS, Message

    now = int(time.time())
    value = library.WebhookSignature.generate_signature_header(BODY.decode(), "whsec_s", now)
    assert SCHEMES["stripe"].verify("whsec_s", Headers({"Stripe-Signature": value}), BODY, now=now)
    ours = FORMS["stripe"]("whsec_s", Message("", now, BODY))["Stripe-Signature"]
    assert library.WebhookSignature.verify_header(BODY, ours, "whsec_s", 300)


# -- names


def test_names_may_be_spelt_either_way() -> None:
    assert known_scheme("standard_webhooks") is known_scheme("Standard-Webhooks") is not None
    assert known_scheme("X-Signature") is None
    assert scheme_from("X-Signature") == HmacScheme("X-Signature")


def test_single_values_of_a_known_form_can_be_changed() -> None:
    changed = scheme_from({"kind": "stripe", "tolerance": 60})
    assert isinstance(changed, HmacScheme)
    assert (changed.header, changed.tolerance) == ("Stripe-Signature", 60)
    with pytest.raises(ConfigurationError):
        scheme_from({"kind": "gitlab", "tolerance": 60})


@pytest.mark.parametrize("form", SCHEMES)
def test_what_is_stored_is_the_whole_scheme_and_no_name(form: str) -> None:
    stored = SCHEMES[form].to_dict()
    assert stored["kind"] in ("hmac", "token")
    assert scheme_from(stored) == SCHEMES[form]
