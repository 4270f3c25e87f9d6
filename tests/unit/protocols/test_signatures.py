# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import Headers
from airflow_async_provider.protocols._signature_forms import SCHEMES, scheme_from
from airflow_async_provider.protocols._signatures import HmacScheme, TokenScheme, keys_of

SCHEME = HmacScheme("Elements-Webhook-Signature", "sha256=")
KEY = "MySecretEventSignatureKey"
PAGE = (
    b'{"eventId":1028,"instanceId":30,"response":{"events":[{"path":"/testfoldercopy","metadata":'
    b'{"path":"/TestFolderCopy","name":"TestFolderCopy","type":"folder"}}]},"notificationId":1084}'
)

# V1 is the value that SAP prints in "Open Connectors: Hash Verification" for its own placeholder body. The
# others were computed from that page's rule (base64 of HMAC-SHA256 over the raw body, key as UTF-8 bytes);
# the key of V6 is the one in Cloud Elements' public test suite "churros".
VECTORS = {
    "V1": (
        KEY,
        b"<INSERT_EVENT_NOTIFICATION_RESPONSE_BODY>",
        "sha256=jHdbRx5EZAsOfTwAPJOGkNUzQMVVdu5VJlxcsk+G6jQ=",
    ),
    "V2": (KEY, PAGE, "sha256=tJhxR4H4hUeFgixlX+htbBez3nFDIH45K6w6KkcKsX4="),
    "V3": (
        KEY,
        b'{"eventId":1028,"instanceId":30,"response":{"events":[]},"notificationId":1084}',
        "sha256=CHYq5MWBwpgyUXuWtnE82AKQyp3d5Zv5Bbdcu72LKow=",
    ),
    "V4": (
        KEY,
        '{"eventId":1028,"note":"ü"}'.encode(),
        "sha256=iUoGzZknvP7h/LFlSHzx9ImVK+xMrD+n8kZ21X8NVn8=",
    ),
    "V5": (KEY, b"", "sha256=C0gHWF2AgEYRn772QwLINL7VFZDYhJSOYgzFLE6vs4Q="),
    "V6": ("abcd1234efgh5678", PAGE, "sha256=MUULgazKpAK6fWT/xHQztL3f1JlNrJ5WMyqBKwVlsgk="),
}
SIGNED = VECTORS["V2"][2]


def headers(value: str, name: str = "Elements-Webhook-Signature") -> Headers:
    return Headers({name: value})


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vendor_vectors_verify(vector):
    key, body, value = VECTORS[vector]
    assert len(VECTORS["V1"][1]) == 41
    assert SCHEME.verify(key, headers(value), body) is True
    assert SCHEME.verify(key.encode(), headers(value, "elements-webhook-signature"), body) is True


@pytest.mark.parametrize("vector", VECTORS)
def test_no_vector_fits_another_body_or_key(vector):
    key, body, value = VECTORS[vector]
    assert SCHEME.verify(key, headers(value), body + b"\n") is False
    assert SCHEME.verify(key + "x", headers(value), body) is False
    for other, (other_key, other_body, _) in VECTORS.items():
        if other != vector:
            assert SCHEME.verify(other_key, headers(value), other_body) is False


DIGEST = hmac.digest(KEY.encode(), PAGE, "sha256")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha256=",
        SIGNED.removeprefix("sha256="),
        SIGNED.rstrip("="),
        SIGNED + "=",
        SIGNED[:-2] + "==",
        SIGNED[:-1] + " =",
        SIGNED.replace("+", "-").replace("/", "_"),
        SIGNED.swapcase(),
        "SHA256=" + SIGNED.removeprefix("sha256="),
        "sha256= " + SIGNED.removeprefix("sha256="),
        "sha256=" + DIGEST.hex(),
        "sha256=" + base64.b64encode(DIGEST.hex().encode()).decode(),
        "sha1=" + base64.b64encode(hmac.digest(KEY.encode(), PAGE, "sha1")).decode(),
        "sha256=" + base64.b64encode(hmac.digest(KEY.encode(), PAGE, "sha1")).decode(),
        "sha512=" + base64.b64encode(hmac.digest(KEY.encode(), PAGE, "sha512")).decode(),
        "sha256=" + base64.b64encode(hashlib.sha256(KEY.encode() + PAGE).digest()).decode(),
        "sha256=" + base64.b64encode(hmac.digest(base64.b64encode(KEY.encode()), PAGE, "sha256")).decode(),
        SIGNED + "," + SIGNED,
        "sha256=\udcff",
        "sha256=ü",
        "sha256=" + "A" * 100_000,
    ],
)
def test_what_only_looks_like_the_signature_is_refused(value):
    assert SCHEME.verify(KEY, headers(value), PAGE) is False


@pytest.mark.parametrize(
    "body",
    [
        PAGE[:-1],
        PAGE[1:],
        b"\xef\xbb\xbf" + PAGE,
        PAGE.decode().encode("utf-16"),
        json.dumps(json.loads(PAGE)).encode(),
        json.dumps(json.loads(PAGE), separators=(",", ":"), sort_keys=True).encode(),
        PAGE.replace(b"1028", b"1029"),
        b"",
    ],
)
def test_a_changed_body_is_refused(body):
    assert SCHEME.verify(KEY, headers(SIGNED), body) is False


def test_without_header_or_key_nothing_verifies():
    empty_key = "sha256=" + base64.b64encode(hmac.digest(b"", PAGE, "sha256")).decode()
    assert SCHEME.verify(KEY, Headers(), PAGE) is False
    assert SCHEME.verify("", headers(empty_key), PAGE) is False
    assert SCHEME.verify(b"", headers(empty_key), PAGE) is False


def test_blanks_around_the_value_are_the_http_library_s_business():
    assert SCHEME.verify(KEY, headers(f" {SIGNED}\t"), PAGE) is True


def test_other_encodings_and_algorithms():
    digest = hmac.digest(b"k", b"body", "sha512")
    hexa = HmacScheme("X-Signature", algorithm="sha512", encoding="hex")
    assert hexa.verify("k", headers(digest.hex(), "X-Signature"), b"body")
    assert hexa.verify("k", headers(digest.hex().upper(), "x-signature"), b"body")
    assert not hexa.verify("k", headers(base64.b64encode(digest).decode(), "X-Signature"), b"body")
    url = HmacScheme("X-Signature", "v0=", "sha384", "base64url")
    value = base64.urlsafe_b64encode(hmac.digest(b"k", b"body", "sha384")).decode().rstrip("=")
    assert url.verify("k", headers("v0=" + value, "X-Signature"), b"body")


@given(st.text(), st.binary(), st.text(min_size=1).filter(lambda k: k != KEY))
def test_an_anonymous_sender_never_gets_in_and_never_raises(value, body, key):
    assert SCHEME.verify(KEY, headers(value), body) is False
    signature = base64.b64encode(hmac.digest(key.encode("utf-8", "replace"), body, "sha256")).decode()
    assert SCHEME.verify(KEY, headers("sha256=" + signature), body) is False


@given(st.binary(), st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=1))
def test_what_the_key_s_owner_signs_is_let_in(body, key):
    signature = base64.b64encode(hmac.digest(key.encode(), body, "sha256")).decode()
    assert SCHEME.verify(key, headers("sha256=" + signature), body) is True


@pytest.mark.parametrize(
    "arguments",
    [{"header": ""}, {"header": "X", "algorithm": "sha1"}, {"header": "X", "encoding": "rot13"}],
)
def test_weak_or_unknown_schemes_cannot_be_made(arguments):
    with pytest.raises(ConfigurationError):
        HmacScheme(**arguments)


# Standard Webhooks: the vector of the specification's own Python library tests.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, MOMENT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


STANDARD = SCHEMES["standard-webhooks"]
assert isinstance(STANDARD, HmacScheme)


def standard(**changes: str) -> Headers:
    values = {
        "webhook-id": MESSAGE,
        "webhook-timestamp": str(MOMENT),
        "webhook-signature": SIGNATURE,
        **{k.replace("_", "-"): v for k, v in changes.items()},
    }
    return Headers(values)


def test_the_published_standard_webhooks_vector_verifies():
    scheme = STANDARD
    assert scheme.verify(SECRET, standard(), BODY, now=MOMENT) is True
    assert scheme.verify(SECRET.encode(), standard(), BODY, now=MOMENT) is True
    assert scheme.verify(SECRET.removeprefix("whsec_"), standard(), BODY, now=MOMENT) is True


def test_one_fitting_signature_of_the_list_is_enough():
    several = f"v1,AAAA v1a,BBBB {SIGNATURE} v2,CCCC"
    assert STANDARD.verify(SECRET, standard(webhook_signature=several), BODY, now=MOMENT) is True
    reversed_list = f"{SIGNATURE} v1,AAAA"
    assert STANDARD.verify(SECRET, standard(webhook_signature=reversed_list), BODY, now=MOMENT)


@pytest.mark.parametrize(
    ("age", "accepted"), [(0, True), (300, True), (301, False), (-300, True), (-301, False), (1e9, False)]
)
def test_old_and_future_messages_are_refused(age, accepted):
    assert STANDARD.verify(SECRET, standard(), BODY, now=MOMENT + age) is accepted


@pytest.mark.parametrize(
    "changed",
    [
        standard(webhook_id="msg_other"),
        standard(webhook_id=""),
        standard(webhook_timestamp=str(MOMENT + 1)),
        standard(webhook_timestamp=f"{MOMENT}.0"),
        standard(webhook_timestamp="²"),
        standard(webhook_timestamp="-5"),
        standard(webhook_timestamp="9" * 5000),
        standard(webhook_signature=SIGNATURE.replace("v1,", "v1a,")),
        standard(webhook_signature=SIGNATURE.replace("v1,", "")),
        standard(webhook_signature=SIGNATURE.replace("v1,", "v1,,")),
        standard(webhook_signature=SIGNATURE.rstrip("=")),
        standard(webhook_signature=""),
        Headers({"webhook-id": MESSAGE, "webhook-timestamp": str(MOMENT)}),
        Headers({"webhook-id": MESSAGE, "webhook-signature": SIGNATURE}),
        Headers(),
    ],
)
def test_a_standard_webhook_with_anything_changed_is_refused(changed):
    assert STANDARD.verify(SECRET, changed, BODY, now=MOMENT) is False


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_not base64!", b"\xff\xfe", "whsec_ü"])
def test_an_unusable_key_verifies_nothing(key):
    assert STANDARD.verify(key, standard(), BODY, now=MOMENT) is False


@given(st.text(), st.text(), st.text(), st.binary())
def test_any_standard_headers_lead_to_an_answer(message, moment, signature, body):
    strange = Headers({"webhook-id": message, "webhook-timestamp": moment, "webhook-signature": signature})
    assert STANDARD.verify(SECRET, strange, body, now=MOMENT) is False


@pytest.mark.parametrize("tolerance", [0, -1, float("inf"), float("nan"), "60", None])
def test_a_tolerance_without_end_cannot_be_configured(tolerance):
    with pytest.raises(ConfigurationError):
        replace(STANDARD, tolerance=tolerance)


@pytest.mark.parametrize(
    "scheme",
    [SCHEME, HmacScheme("X", "p=", "sha512", "hex"), STANDARD, replace(STANDARD, tolerance=60.0)],
)
def test_a_scheme_survives_json(scheme):
    assert scheme_from(json.loads(json.dumps(scheme.to_dict()))) == scheme


def test_an_hmac_scheme_needs_no_kind():
    assert scheme_from({"header": "X", "prefix": "p="}) == HmacScheme("X", "p=")


@pytest.mark.parametrize(
    "value",
    [None, [], "", {"kind": "rsa"}, {"prefix": "x"}, {"header": "X", "key": "k"}, {"kind": "hmac"}],
)
def test_what_describes_no_scheme_is_said_to(value):
    with pytest.raises(ConfigurationError):
        scheme_from(value)


def test_a_standard_key_that_is_no_base64_verifies_nothing() -> None:
    empty = base64.b64encode(hmac.digest(b"", b"m.1000." + b"{}", hashlib.sha256)).decode()
    headers = Headers({"webhook-id": "m", "webhook-timestamp": "1000", "webhook-signature": f"v1,{empty}"})
    for key in ("whsec_not base64!", "whsec_", "", b"whsec_\xff"):
        assert not STANDARD.verify(key, headers, b"{}", now=1000.0)


# -- schemes of any form


@pytest.mark.parametrize(
    "values",
    [
        {"signed": "no body"},
        {"signed": "{body}{body}"},
        {"signed": "{timestamp}.{body}"},
        {"signed": "{id}.{body}"},
        {"timestamp": "X-Time"},
        {"timestamp": "t=", "signed": "{timestamp}.{body}"},
        {"key": "base32"},
        {"prefix": 1},
        {"tolerance": "60"},
        {"header": 5},
    ],
)
def test_a_scheme_that_proves_less_than_it_says_cannot_be_made(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        HmacScheme(**{"header": "X", **values})


def mac(key: bytes, signed: bytes) -> str:
    return hmac.digest(key, signed, "sha256").hex()


def test_a_list_of_signatures_holds_one_that_fits() -> None:
    scheme = HmacScheme("X-PagerDuty-Signature", "v1=", encoding="hex", separator=",")
    good = f"v1={mac(b'k', b'body')}"
    for value in (good, f"v1={'0' * 64},{good}", f"{good}, v1={'0' * 64}", f"v2=x,{good.upper()[:0]}{good}"):
        assert scheme.verify("k", headers(value, scheme.header), b"body")
    for value in (good.replace("v1", "v2"), f"v1={'0' * 64},v1=", "," * 50, f"{'v1=x,' * 20}{good}"):
        assert not scheme.verify("k", headers(value, scheme.header), b"body")


def test_keys_are_texts_or_the_bytes_that_they_stand_for() -> None:
    raw = bytes(range(24))
    value = {"X": mac(raw, b"body")}
    coded = base64.b64encode(raw).decode()
    for key, scheme in (
        (raw.hex(), HmacScheme("X", encoding="hex", key="hex")),
        (raw.hex().upper(), HmacScheme("X", encoding="hex", key="hex")),
        (coded, HmacScheme("X", encoding="hex", key="base64")),
        (coded.rstrip("="), HmacScheme("X", encoding="hex", key="base64")),
        ("key_" + coded, HmacScheme("X", encoding="hex", key="base64", key_prefix="key_")),
    ):
        assert scheme.verify(key, Headers(value), b"body")
        assert not scheme.verify(key + "!", Headers(value), b"body")
        assert not replace(scheme, key="text").verify(key, Headers(value), b"body")
    for key in ("0g", "0", "ü", "key_"):
        empty = {"X": mac(b"", b"body")}
        for kind in ("hex", "base64"):
            scheme = HmacScheme("X", encoding="hex", key=kind, key_prefix="key_")
            assert not scheme.verify(key, Headers(empty), b"body")


def test_a_moment_in_the_header_of_the_signature_stands_there_once() -> None:
    scheme = SCHEMES["stripe"]
    good = f"v1={mac(b'k', b'1000.body')}"
    for value, fits in {
        f"t=1000,{good}": True,
        f"{good},t=1000": True,
        good: False,
        f"t=1000,t=1000,{good}": False,
        f"t=1001,{good}": False,
        f"t=1e3,{good}": False,
        f"t=,{good}": False,
    }.items():
        assert scheme.verify("k", headers(value, "Stripe-Signature"), b"body", now=1000.0) is fits, value


def test_a_body_with_the_name_of_a_part_is_signed_as_it_is() -> None:
    scheme = HmacScheme("X", encoding="hex", signed="{body}|{id}", id="X-Id")
    found = Headers({"X": mac(b"k", b"{id}{body}|{body}"), "X-Id": "{body}"})
    assert scheme.verify("k", found, b"{id}{body}")


def test_a_token_is_the_key_itself() -> None:
    scheme = TokenScheme("X-Token", "Token ")
    assert scheme.verify("kü", headers("Token kü", "x-token"), b"")
    for value in ("kü", "Token ku", "Token ", "Token kü x", "token kü"):
        assert not scheme.verify("kü", headers(value, "X-Token"), b"")
    assert not scheme.verify("", headers("Token ", "X-Token"), b"")
    assert not scheme.verify("k", Headers(), b"")
    with pytest.raises(ConfigurationError):
        TokenScheme("")


# -- several keys


def test_while_a_key_is_replaced_both_are_good() -> None:
    signed = headers("sha256=" + base64.b64encode(hmac.digest(b"old", PAGE, "sha256")).decode())
    assert SCHEME.verify_any(["new", "old"], signed, PAGE, now=0.0)
    assert not SCHEME.verify_any(["new"], signed, PAGE, now=0.0)
    assert not SCHEME.verify_any([], signed, PAGE, now=0.0)


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        ("k", ["k"]),
        ("a,b c", ["a,b c"]),
        (["new", "", "old"], ["new", "old"]),
        ('["new", "old"]', ["new", "old"]),
        ("[begins so", ["[begins so"]),
        (None, []),
        ("", []),
        ([], []),
    ],
)
def test_keys_as_a_connection_has_them(value: Any, keys: list[str]) -> None:
    assert keys_of(value) == keys


@pytest.mark.parametrize("value", [5, {"k": 1}, [1], ["k"] * 11, "[1]"])
def test_other_keys_are_refused_without_showing_them(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="Keys of signatures"):
        keys_of(value)
