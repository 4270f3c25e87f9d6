# SPDX-License-Identifier: Apache-2.0
"""Connection forms for Airflow 3.1, which asks the hook."""

from __future__ import annotations

import pytest

from airflow_async_provider._metadata.jaggaer_aso import JAGGAER_ASO
from airflow_async_provider.hooks._form import with_form


class Plain:
    """A hook without a form of its own."""


def test_the_hook_says_what_the_metadata_says() -> None:
    decorated = with_form(JAGGAER_ASO)(Plain)  # type: ignore[type-var]
    behaviour = decorated.get_ui_field_behaviour()
    assert JAGGAER_ASO.connection is not None
    assert behaviour["hidden_fields"] == JAGGAER_ASO.connection["ui-field-behaviour"]["hidden-fields"]
    assert set(behaviour) == {"hidden_fields", "relabeling", "placeholders"}


def test_secrets_are_password_fields() -> None:
    pytest.importorskip("wtforms")
    widgets = with_form(JAGGAER_ASO)(Plain).get_connection_form_widgets()  # type: ignore[type-var]
    assert JAGGAER_ASO.connection is not None
    assert set(widgets) == set(JAGGAER_ASO.connection["conn-fields"])
    assert "Password" in getattr(widgets["api_key"], "field_class", type(widgets["api_key"])).__name__
