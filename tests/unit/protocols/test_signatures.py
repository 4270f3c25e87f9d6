# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import Headers
from airflow_async_provider.protocols._signatures import HmacScheme, StandardWebhooks, scheme_from_dict

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
def test_a_stranger_never_gets_in_and_never_raises(value, body, key):
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


def standard(**changes: str) -> Headers:
    values = {
        "webhook-id": MESSAGE,
        "webhook-timestamp": str(MOMENT),
        "webhook-signature": SIGNATURE,
        **{k.replace("_", "-"): v for k, v in changes.items()},
    }
    return Headers(values)


def test_the_published_standard_webhooks_vector_verifies():
    scheme = StandardWebhooks()
    assert scheme.verify(SECRET, standard(), BODY, now=MOMENT) is True
    assert scheme.verify(SECRET.encode(), standard(), BODY, now=MOMENT) is True
    assert scheme.verify(SECRET.removeprefix("whsec_"), standard(), BODY, now=MOMENT) is True


def test_one_fitting_signature_of_the_list_is_enough():
    several = f"v1,AAAA v1a,BBBB {SIGNATURE} v2,CCCC"
    assert StandardWebhooks().verify(SECRET, standard(webhook_signature=several), BODY, now=MOMENT) is True
    reversed_list = f"{SIGNATURE} v1,AAAA"
    assert StandardWebhooks().verify(SECRET, standard(webhook_signature=reversed_list), BODY, now=MOMENT)


@pytest.mark.parametrize(
    ("age", "accepted"), [(0, True), (300, True), (301, False), (-300, True), (-301, False), (1e9, False)]
)
def test_old_and_future_messages_are_refused(age, accepted):
    assert StandardWebhooks().verify(SECRET, standard(), BODY, now=MOMENT + age) is accepted


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
    assert StandardWebhooks().verify(SECRET, changed, BODY, now=MOMENT) is False


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_not base64!", b"\xff\xfe", "whsec_ü"])
def test_an_unusable_key_verifies_nothing(key):
    assert StandardWebhooks().verify(key, standard(), BODY, now=MOMENT) is False


@given(st.text(), st.text(), st.text(), st.binary())
def test_any_standard_headers_lead_to_an_answer(message, moment, signature, body):
    strange = Headers({"webhook-id": message, "webhook-timestamp": moment, "webhook-signature": signature})
    assert StandardWebhooks().verify(SECRET, strange, body, now=MOMENT) is False


@pytest.mark.parametrize("tolerance", [0, -1, float("inf"), float("nan")])
def test_a_tolerance_without_end_cannot_be_configured(tolerance):
    with pytest.raises(ConfigurationError):
        StandardWebhooks(tolerance)


@pytest.mark.parametrize(
    "scheme",
    [SCHEME, HmacScheme("X", "p=", "sha512", "hex"), StandardWebhooks(), StandardWebhooks(60.0)],
)
def test_a_scheme_survives_json(scheme):
    assert scheme_from_dict(json.loads(json.dumps(scheme.to_dict()))) == scheme


def test_an_hmac_scheme_needs_no_kind():
    assert scheme_from_dict({"header": "X", "prefix": "p="}) == HmacScheme("X", "p=")


@pytest.mark.parametrize(
    "value",
    [None, [], "hmac", {"kind": "rsa"}, {"prefix": "x"}, {"header": "X", "key": "k"}, {"kind": "hmac"}],
)
def test_what_describes_no_scheme_is_said_to(value):
    with pytest.raises(ConfigurationError):
        scheme_from_dict(value)


def test_a_standard_key_that_is_no_base64_verifies_nothing() -> None:
    empty = base64.b64encode(hmac.digest(b"", b"m.1000." + b"{}", hashlib.sha256)).decode()
    headers = Headers({"webhook-id": "m", "webhook-timestamp": "1000", "webhook-signature": f"v1,{empty}"})
    for key in ("whsec_not base64!", "whsec_", "", b"whsec_\xff"):
        assert not StandardWebhooks().verify(key, headers, b"{}", now=1000.0)
