# SPDX-License-Identifier: Apache-2.0
"""The metadata that Airflow reads: valid by its own schema, and every name in it leads somewhere."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.sdk import BaseHook

from airflow_async_provider import __version__
from airflow_async_provider.provider_info import get_provider_info

PROJECT = Path(__file__).parents[2]
PACKAGE = PROJECT / "airflow_async_provider"
INFO = get_provider_info()


def test_it_is_valid_by_airflow_s_own_schema() -> None:
    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    jsonschema.validate(INFO, json.loads(schema.read_text()))
    assert json.loads(json.dumps(INFO)) == INFO


def test_it_names_this_version_first() -> None:
    assert INFO["versions"][0] == __version__


def names(value: Any) -> Iterator[str]:
    """Every dotted name of ours anywhere in the metadata."""
    if isinstance(value, str):
        if value.startswith("airflow_async_provider."):
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from names(item)
    elif isinstance(value, list):
        for item in value:
            yield from names(item)


@pytest.mark.parametrize("name", sorted(set(names(INFO))))
def test_every_name_in_it_can_be_imported(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    if attribute[0].isupper() or "(" in attribute:
        assert isinstance(getattr(import_module(module), attribute), type)
    else:
        import_module(name)


def test_there_are_such_names() -> None:
    assert len(list(names(INFO))) > 5


@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda c: c["connection-type"])
def test_a_connection_type_fits_its_hook(connection: dict[str, Any]) -> None:
    module, _, name = connection["hook-class-name"].rpartition(".")
    hook = getattr(import_module(module), name)
    assert issubclass(hook, BaseHook)
    assert hook.conn_type == connection["connection-type"]
    assert hook.hook_name == connection["hook-name"]
    assert connection["connection-type"] in hook.default_conn_name


SECRETS = ("key", "secret", "token", "password")


@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda c: c["connection-type"])
def test_secret_fields_of_the_form_are_masked(connection: dict[str, Any]) -> None:
    for name, form in connection.get("conn-fields", {}).items():
        if any(word in name for word in SECRETS) and not name.endswith("_url") and "boolean" not in str(form):
            assert form["schema"].get("format") == "password", name


@pytest.mark.parametrize(
    ("kind", "room"),
    [("operators", "operators"), ("sensors", "sensors"), ("hooks", "hooks"), ("triggers", "triggers")],
)
def test_no_module_of_a_remote_api_is_left_out(kind: str, room: str) -> None:
    """A module with a class that users name in their DAGs belongs into the metadata."""
    listed = {module for entry in INFO.get(kind, []) for module in entry["python-modules"]}
    assert listed
    for module in listed:
        assert module.startswith(f"airflow_async_provider.{room}.")


def test_integrations_are_declared() -> None:
    declared = {entry["integration-name"] for entry in INFO["integrations"]}
    used = {
        entry["integration-name"]
        for kind in ("operators", "sensors", "hooks", "triggers")
        for entry in INFO.get(kind, [])
    }
    assert used <= declared


# -- entry points

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())


def entry(group: str) -> Any:
    ((_, target),) = PYPROJECT["project"]["entry-points"][group].items()
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def test_the_provider_s_entry_point_gives_its_metadata() -> None:
    assert entry("apache_airflow_provider")() == INFO
    assert INFO["package-name"] == PYPROJECT["project"]["name"]


def test_the_plugin_s_entry_point_gives_a_plugin() -> None:
    from airflow.plugins_manager import AirflowPlugin

    plugin = entry("airflow.plugins")
    assert issubclass(plugin, AirflowPlugin)
    assert plugin.name


def test_no_reserved_prefix_is_used() -> None:
    for app in entry("airflow.plugins").fastapi_apps:
        prefix = app["url_prefix"]
        assert not prefix.startswith(("/api/v2", "/ui", "/execution", "/auth", "/pluginsv2"))


def test_the_configuration_s_defaults_are_the_code_s() -> None:
    from airflow_async_provider import settings

    options = INFO["config"]["async_provider"]["options"]
    assert float(options["settle_seconds"]["default"]) == settings.DEFAULT_SETTLE_SECONDS
    assert settings.settle_seconds() == settings.DEFAULT_SETTLE_SECONDS
    for name in options:
        assert hasattr(settings, name), f"nobody reads the option {name}"


def test_a_settle_time_below_zero_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_async_provider import settings

    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "-5")
    assert settings.settle_seconds() == 0
