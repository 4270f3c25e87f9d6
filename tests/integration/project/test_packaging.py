# SPDX-License-Identifier: Apache-2.0
"""What is shipped: the same bytes from the same sources, whole, found by an Airflow that had none of it."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}


def sources() -> Iterator[Path]:
    """The project's files: those that git tracks, or all when this is an unpacked sdist."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        yield from (Path(name) for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())
        return
    for path in ROOT.rglob("*"):
        if path.is_file() and not {"__pycache__", ".venv"} & set(path.parts):
            yield path.relative_to(ROOT)


def build(folder: Path, *, umask: int, at: float) -> dict[str, bytes]:
    """Copy the sources, with permissions and times of their own, and build them: the files by name."""
    copy = folder / "project"
    before = os.umask(umask)
    try:
        for name in sources():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
            os.utime(copy / name, (at, at))
        done = subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), "."],
            cwd=copy,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return {file.name: file.read_bytes() for file in (folder / "dist").iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheel and sdist."""
    folder = tmp_path_factory.mktemp("built")
    build(folder, umask=0o022, at=1_700_000_000)
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Any:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_the_same_sources_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    again = build(tmp_path, umask=0o077, at=1_600_000_000)

    assert {name: hashlib.sha256(data).hexdigest() for name, data in again.items()} == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in built.iterdir()
    }
    assert sorted(name.rpartition(".")[2] for name in again) == ["gz", "whl"]


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    package = {name for name in names if ".dist-info/" not in name}
    tracked = {str(name) for name in sources() if name.parts[0] == "airflow_async_provider"}

    assert package == tracked
    assert "airflow_async_provider/py.typed" in package
    assert {name.rpartition("/")[2] for name in names} >= {"LICENSE", "NOTICE", "entry_points.txt"}


def test_the_sdist_holds_what_testing_it_needs(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        str(name)
        for name in sources()
        if name.parts[0] in ("tests", "demo", "docs", "requirements", ".ci", ".github", "changes")
    }

    assert names >= wanted | {"Makefile", "pyproject.toml", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}


def test_the_metadata_says_what_is_needed(metadata: Any) -> None:
    from airflow_async_provider import __version__

    assert metadata["Name"] == "airflow-async-provider"
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith((ROOT / "README.md").read_text(encoding="utf-8")[:40])
    assert sorted(metadata.get_all("Requires-Dist")) == [
        "apache-airflow-providers-amazon>=9.10.0",
        "apache-airflow-providers-http>=5.3.0",
        "apache-airflow<3.5,>=3.1.0",
    ]


def test_the_entry_points_are_those_that_airflow_looks_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        parser = configparser.ConfigParser()
        parser.read_string(archive.read(name).decode())
    assert set(parser.sections()) == {"airflow.plugins", "apache_airflow_provider"}


FIND = """
import json, sys
import airflow_async_provider
from airflow.providers_manager import ProvidersManager
from airflow import plugins_manager
manager = ProvidersManager()
load = getattr(plugins_manager, "ensure_plugins_loaded", None) or plugins_manager._get_plugins
load()
plugins = getattr(plugins_manager, "plugins", None)
plugins = plugins if plugins is not None else plugins_manager._get_plugins()[0]
print()
print(json.dumps({
    "from": airflow_async_provider.__file__,
    "provider": manager.providers["airflow-async-provider"].version,
    "connection": "jaggaer_aso" in manager.hooks,
    "plugin": "async_provider" in [plugin.name for plugin in plugins],
}))
"""


def test_an_airflow_that_did_not_know_it_finds_provider_and_plugin(
    wheel: Path, tmp_path: Path, metadata: Any
) -> None:
    # The new environment sees this one's Airflow; the package itself must come from the wheel.
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    place = sysconfig.get_path(
        "purelib", vars={"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    )
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    (Path(place) / "airflow.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}
    environment["AIRFLOW_HOME"] = str(tmp_path / "home")

    done = subprocess.run(
        [str(python), "-c", FIND],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found.pop("from")).is_relative_to(tmp_path)
    assert found == {"provider": metadata["Version"], "connection": True, "plugin": True}


def test_the_bill_of_materials_names_what_comes_along(tmp_path: Path) -> None:
    for _ in range(2):
        subprocess.run(
            [sys.executable, str(ROOT / "requirements" / "sbom.py"), str(tmp_path)],
            env=ENVIRONMENT,
            capture_output=True,
            timeout=60,
            check=True,
        )
        shutil.copy(next(tmp_path.glob("*.cdx.json")), tmp_path / "first")
    file = next(tmp_path.glob("*.cdx.json"))
    bill = json.loads(file.read_text(encoding="utf-8"))

    assert file.read_bytes() == (tmp_path / "first").read_bytes()
    assert bill["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"
    names = {part["name"] for part in bill["components"]}
    assert names >= {"apache-airflow", "aiohttp", "boto3", "requests"}
    assert len(bill["dependencies"][0]["dependsOn"]) == 3
