# SPDX-License-Identifier: Apache-2.0
"""
Connection forms for Airflow 3.1, made of the same metadata that later versions read by themselves.

Airflow 3.2 and later never call what is set here, as the metadata has ``conn-fields``; 3.1 knows only these
two methods, and only on the hook's own class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from airflow_async_provider._metadata.system import System

Hook = TypeVar("Hook", bound=type[Any])


def with_form(system: System) -> Any:
    """
    Class decorator: gives a hook the form of its connection type.

    :param system: the system whose connection type it is
    """
    connection = system.connection or {}
    fields: dict[str, Any] = connection["conn-fields"]
    behaviour: dict[str, Any] = connection["ui-field-behaviour"]

    def decorate(hook: Hook) -> Hook:
        hook.get_connection_form_widgets = staticmethod(lambda: _widgets(fields))
        hook.get_ui_field_behaviour = staticmethod(
            lambda: {key.replace("-", "_"): value for key, value in behaviour.items()}
        )
        return hook

    return decorate


def _widgets(fields: dict[str, Any]) -> dict[str, Any]:
    """
    The fields as WTForms, or as what Airflow puts in its place.

    :raises ImportError: neither is there; Airflow then shows the form without them
    """
    from wtforms import PasswordField, StringField

    return {
        name: (PasswordField if field["schema"].get("format") == "password" else StringField)(
            field["label"], description=field["description"]
        )
        for name, field in fields.items()
    }
