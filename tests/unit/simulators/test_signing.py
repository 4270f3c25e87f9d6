# SPDX-License-Identifier: Apache-2.0
"""Every form that the sender makes is one that the receiver knows by the same name, and verifies."""

from __future__ import annotations

import pytest

from airflow_async_provider.protocols import Headers
from airflow_async_provider.protocols._signature_forms import SCHEMES
from airflow_async_provider.simulators._signing import FORMS, TIMED, Message, other_key

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = Message("msg_1", 1700000000, b'{"a": 1}')


def test_the_forms_are_those_of_the_receiver() -> None:
    assert set(FORMS) - {"none"} == set(SCHEMES)
    assert set(TIMED) == {name for name, scheme in SCHEMES.items() if getattr(scheme, "timestamp", "")}


@pytest.mark.parametrize("form", SCHEMES)
def test_what_is_sent_verifies_and_what_another_key_signs_does_not(form: str) -> None:
    for key in (KEY, "plain") if form not in ("standard-webhooks", "svix") else (KEY,):
        headers = Headers(FORMS[form](key, MESSAGE))
        other = Headers(FORMS[form](other_key(key), MESSAGE))
        assert SCHEMES[form].verify(key, headers, MESSAGE.body, now=MESSAGE.moment)
        assert not SCHEMES[form].verify(key, other, MESSAGE.body, now=MESSAGE.moment)
        assert SCHEMES[form].verify(other_key(key), other, MESSAGE.body, now=MESSAGE.moment)
