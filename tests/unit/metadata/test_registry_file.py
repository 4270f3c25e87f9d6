# SPDX-License-Identifier: Apache-2.0
"""
``.airflow-registry.yaml`` names what Airflow is told of, and nothing else.

Its form is that of the one in astronomer-cosmos on GitHub, which the author of the registry has written.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_async_provider._metadata.registry_file import registry_file
from airflow_async_provider.provider_info import get_provider_info

FILE = Path(__file__).parents[3] / ".airflow-registry.yaml"
SAID: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
INFO = get_provider_info()
ENDINGS = {
    "operators": "Operator",
    "sensors": "Sensor",
    "hooks": "Hook",
    "triggers": "Trigger",
    "transfers": "Operator",
}


def test_it_is_made_of_the_metadata() -> None:
    assert FILE.read_text(encoding="utf-8") == registry_file(), (
        "write it anew: python -m airflow_async_provider._metadata.registry_file > .airflow-registry.yaml"
    )


def test_it_is_about_this_package() -> None:
    assert SAID["package-name"] == INFO["package-name"]
    assert SAID["display-name"] == INFO["name"]
    assert SAID["description"].replace('"', "") == INFO["description"].replace("``", "").replace(
        "202 Accepted", "202 Accepted, come back later"
    )
    assert set(SAID) == {"package-name", "display-name", "description", *ENDINGS}


@pytest.mark.parametrize("section", ENDINGS)
def test_a_section_has_every_class_of_its_kind_with_a_sentence_about_it(section: str) -> None:
    if section == "transfers":
        modules = [entry["python-module"] for entry in INFO[section]]
    else:
        modules = [module for entry in INFO[section] for module in entry["python-modules"]]
    known = set()
    for module in map(import_module, modules):
        public = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", "") == module.__name__
        ]
        known |= {
            f"{module.__name__}.{name}"
            for name in public
            if name.endswith(ENDINGS[section]) and name[0] != "_"
        }

    assert {entry["module"] for entry in SAID[section]} == known
    assert all(set(entry) == {"module", "description"} and entry["description"] for entry in SAID[section])
