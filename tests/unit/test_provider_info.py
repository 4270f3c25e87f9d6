# SPDX-License-Identifier: Apache-2.0
"""The metadata that Airflow reads: valid by its own schema, and every name in it leads somewhere."""

from __future__ import annotations

import json
import subprocess
import sys
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
    elif "commands." in name or name.endswith("_task"):
        assert callable(getattr(import_module(module), attribute))
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


@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda c: c["connection-type"])
def test_airflow_knows_secret_fields_by_their_names(connection: dict[str, Any]) -> None:
    """Whatever the form hides: the REST API shows every key of the extra whose name tells it nothing."""
    from airflow.sdk.log import redact

    names = [
        n for n, field in connection["conn-fields"].items() if field["schema"].get("format") == "password"
    ]
    assert redact(dict.fromkeys(names, "a-value")) == dict.fromkeys(names, "***")


SECRETS = ("key", "secret", "token", "password")


@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda c: c["connection-type"])
def test_secret_fields_of_the_form_are_masked(connection: dict[str, Any]) -> None:
    for name, form in connection.get("conn-fields", {}).items():
        if (
            any(word in name for word in SECRETS)
            and not name.endswith("_url")
            and name != "cert_key"  # the path of a file
            and "enum" not in form["schema"]
        ):
            assert form["schema"].get("format") == "password", name


#: What a class is called that a DAG may name, by the room that it lives in.
ROOMS = {
    "operators": "Operator",
    "sensors": "Sensor",
    "hooks": "Hook",
    "triggers": "Trigger",
    "transfers": "Operator",
}

#: What others are made of, and what is imported from another module.
INNER = {
    "AsyncApiHook",
    "AsyncJobOperator",
    "JobSensor",
    "RemoteJobHook",
    "OpenConnectorsBulkDownloadOperator",
    "OpenConnectorsBulkUploadOperator",
}


def public_classes(module: str, ending: str) -> set[str]:
    return {
        name
        for name, value in vars(import_module(module)).items()
        if isinstance(value, type) and value.__module__ == module and name.endswith(ending) and name[0] != "_"
    }


def listed(room: str) -> list[str]:
    if room == "transfers":
        return [entry["python-module"] for entry in INFO["transfers"]]
    return [module for entry in INFO[room] for module in entry["python-modules"]]


@pytest.mark.parametrize(("room", "ending"), ROOMS.items())
def test_every_module_that_a_dag_may_name_is_listed_once(room: str, ending: str) -> None:
    modules = (f"airflow_async_provider.{room}.{path.stem}" for path in (PACKAGE / room).glob("*.py"))
    assert sorted(listed(room)) == sorted(m for m in modules if public_classes(m, ending) - INNER)


def test_every_extra_link_of_ours_is_registered() -> None:
    """Airflow rebuilds links of operators in the API server from this list alone."""
    from airflow.sdk import BaseOperatorLink

    found = set()
    for path in [*(PACKAGE / "operators").glob("*.py"), *(PACKAGE / "_jobs").rglob("*.py")]:
        module = import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
        for name, value in vars(module).items():
            if (
                isinstance(value, type)
                and issubclass(value, BaseOperatorLink)
                and value.__module__ == module.__name__
            ):
                found.add(f"{module.__name__}.{name}")
    assert sorted(INFO["extra-links"]) == sorted(found)


def test_integrations_are_declared() -> None:
    declared = {entry["integration-name"] for entry in INFO["integrations"]}
    used = {
        entry["integration-name"]
        for kind in ("operators", "sensors", "hooks", "triggers")
        for entry in INFO[kind]
    } | {entry["source-integration-name"] for entry in INFO["transfers"]}
    assert used == declared


def test_what_is_handed_out_is_a_copy() -> None:
    """Airflow writes into what it gets."""
    get_provider_info()["connection-types"][0]["conn-fields"].clear()
    get_provider_info()["config"].clear()
    assert get_provider_info() == INFO


# -- as this Airflow sees it


@pytest.fixture(scope="module")
def manager() -> Any:
    from airflow.providers_manager import ProvidersManager

    return ProvidersManager()


@pytest.mark.thorough
def test_airflow_lists_the_provider_with_all_that_it_has(manager: Any) -> None:
    """What ``airflow providers get|hooks|triggers|links|configs`` print."""
    seen = manager.providers["airflow-async-provider"].data
    assert {key: seen[key] for key in INFO} == INFO
    triggers = {
        name
        for info in manager.trigger
        if info.package_name == "airflow-async-provider"
        for name in [info.trigger_class_name]
    }
    assert triggers == set(listed("triggers"))
    assert set(INFO["extra-links"]) <= set(manager.extra_links_class_names)
    assert dict(manager.provider_configs)["airflow-async-provider"] == INFO["config"]
    for connection in INFO["connection-types"]:
        hook = manager.hooks[connection["connection-type"]]
        assert (hook.hook_class_name, hook.hook_name) == (
            connection["hook-class-name"],
            connection["hook-name"],
        )
        assert hook.connection_testable


FORMS = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
print(json.dumps([form.model_dump() for form in HookMetaService.hook_meta_data()]))
"""


@pytest.fixture(scope="module")
def forms() -> dict[str, Any]:
    """
    The forms that the API server hands to the browser, by connection type.

    In a process of their own: on Airflow 3.1 they depend on who has asked the provider manager first.
    """
    done = subprocess.run(
        [sys.executable, "-c", FORMS], capture_output=True, text=True, timeout=120, check=False, cwd=PROJECT
    )
    assert done.returncode == 0, done.stderr
    return {form["connection_type"]: form for form in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.thorough
@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda c: c["connection-type"])
def test_the_form_reaches_the_browser_on_every_airflow(
    connection: dict[str, Any], forms: dict[str, Any]
) -> None:
    """3.1 asks the hook, later versions the metadata: the form is the same."""
    form = forms[connection["connection-type"]]
    assert form["hook_name"] == connection["hook-name"]
    extra = form["extra_fields"]
    assert list(extra) == list(connection["conn-fields"])
    for name, field in connection["conn-fields"].items():
        assert extra[name]["schema"]["title"] == field["label"]
        assert extra[name]["description"] == field["description"]
        assert extra[name]["schema"].get("format") == field["schema"].get("format")
        assert extra[name]["value"] is None, "an empty field must mean the default"
    behaviour, standard = connection["ui-field-behaviour"], form["standard_fields"]
    for name in ("host", "port", "login", "password", "schema"):
        shown = standard["url_schema" if name == "schema" else name] or {
            "hidden": False,
            "title": None,
            "placeholder": None,
        }
        assert shown["hidden"] == (name in behaviour["hidden-fields"])
        assert shown["title"] == behaviour["relabeling"].get(name)
        assert shown["placeholder"] == behaviour["placeholders"].get(name)


@pytest.mark.parametrize("connection", INFO["connection-types"], ids=lambda c: c["connection-type"])
def test_the_hook_explains_every_field_of_its_form(connection: dict[str, Any]) -> None:
    module, _, name = connection["hook-class-name"].rpartition(".")
    told = getattr(import_module(module), name).__doc__
    for field in connection["conn-fields"]:
        assert f"``{field}``" in told


def test_the_old_form_is_made_of_wtforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.1 asks the hook's own class for it."""
    from types import ModuleType

    from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook

    def kind(name: str) -> Any:
        return lambda label, description: (name, label, description)

    wtforms = ModuleType("wtforms")
    for name in ("PasswordField", "StringField"):
        setattr(wtforms, name, kind(name))
    monkeypatch.setitem(sys.modules, "wtforms", wtforms)

    assert {"get_connection_form_widgets", "get_ui_field_behaviour"} <= vars(JaggaerAsoHook).keys()
    widgets = JaggaerAsoHook.get_connection_form_widgets()
    assert widgets["api_key"] == ("PasswordField", "API key (api_key)", "Sent as X-API-Key.")
    assert widgets["token_url"][0] == "StringField"
    assert JaggaerAsoHook.get_ui_field_behaviour()["hidden_fields"] == ["schema"]


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
    from airflow_async_provider import _settings as settings

    options = INFO["config"]["async_provider"]["options"]
    assert float(options["settle_seconds"]["default"]) == settings.DEFAULT_SETTLE_SECONDS
    assert settings.settle_seconds() == settings.DEFAULT_SETTLE_SECONDS
    for name in options:
        assert hasattr(settings, name), f"nobody reads the option {name}"


def test_a_settle_time_below_zero_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_async_provider import _settings as settings

    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "-5")
    assert settings.settle_seconds() == 0
