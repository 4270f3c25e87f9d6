# SPDX-License-Identifier: Apache-2.0
"""From ``profile`` and ``profile_options`` of a task to a protocol: names, files, dictionaries, classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http.assembly import as_written, laid_over, layer
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.templates import nearest
from airflow_async_provider.protocols._registry import PROTOCOLS, protocol_class, protocol_for

#: The descriptions that ship with the package, one file each.
SHIPPED: Final = Path(__file__).parent / "apis"

#: Short names of the conventions.
CONVENTIONS: Final[Mapping[str, str]] = {
    name.removeprefix("http_"): name for name in PROTOCOLS if name.startswith("http_") and name != "http_api"
}

#: Descriptions that start from one another more often than this go in a circle.
MAX_LAYERS: Final = 10

#: Nobody describes an API with more than this (bytes).
MAX_FILE: Final = 256 * 1024

Profile = str | Mapping[str, Any]


def shipped() -> list[str]:
    """Names of the descriptions that ship with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def profile_of(profile: Profile, options: Mapping[str, Any] | None = None) -> JobProtocol:
    """
    The protocol that a profile and its options stand for.

    :param profile: a convention (``location``), the name of a shipped description, the path of a YAML file, a
        description as a dictionary, or the dotted path of a protocol class
    :param options: laid over it
    :raises ConfigurationError: there is no such profile, or something in it cannot be understood
    """
    cls, layers, own = _resolved(profile)
    given = dict(options or {})
    if not issubclass(cls, HttpProfile):
        return protocol_for(f"{cls.__module__}.{cls.__qualname__}", given)
    own |= {name: given.pop(name) for name in cls.own_options if name in given}
    try:
        made: dict[str, Any] = {}
        for below in layers:
            made = laid_over(made, layer(below))
        parameters = {**cls.base.get("parameters", {}), **made.get("parameters", {})}
        made = laid_over(made, layer(given, parameters))
        return cls.from_options({**made, **own})
    except ConfigurationError as e:
        raise ConfigurationError(f"Profile {_called(profile)}: {as_written(e, given)}") from None


def class_of(profile: Profile) -> type[JobProtocol]:
    """The protocol class behind a profile."""
    return _resolved(profile)[0]


def _resolved(profile: Profile) -> tuple[type[JobProtocol], list[Mapping[str, Any]], dict[str, Any]]:
    """The class, the descriptions to be laid over its own, lowest first, and the class's own options."""
    layers: list[Mapping[str, Any]] = []
    here: Profile = profile
    for _ in range(MAX_LAYERS):
        found = _one(here)
        if isinstance(found, type):
            names = getattr(found, "own_options", ())
            own = {name: value for below in layers for name, value in below.items() if name in names}
            return found, [{k: v for k, v in below.items() if k not in names} for below in layers], own
        layers.insert(0, {k: v for k, v in found.items() if k != "extends"})
        if found.get("extends") is None:
            return HttpProfile, layers, {}
        here = found["extends"]
    raise ConfigurationError(f"Profile {_called(profile)} extends itself, over several others.")


def _one(profile: Any) -> type[JobProtocol] | Mapping[str, Any]:
    if isinstance(profile, Mapping):
        return profile
    if not isinstance(profile, str) or not profile.strip():
        raise ConfigurationError(
            f"{profile!r} is not a profile: give a name, a description, or a file's path."
        )
    name = profile.strip()
    if name in CONVENTIONS:
        return protocol_class(CONVENTIONS[name])
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return _file(Path(name), name)
    if (path := SHIPPED / f"{name}.yaml").is_file():
        return _file(path, name)
    if "." in name or name in PROTOCOLS:
        return protocol_class(name)
    raise ConfigurationError(
        f"{name!r} is not a profile. {nearest(name, [*CONVENTIONS, *shipped()])} A file of your own is "
        "given by its path and ends with .yaml; a protocol class by its dotted path."
    )


def _file(path: Path, name: str) -> Mapping[str, Any]:
    try:
        about = path.stat()
    except OSError as e:
        raise ConfigurationError(f"The description {name} cannot be read: {e.strerror}.") from None
    return _read(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=128)
def _read(path: Path, changed: int, size: int) -> Mapping[str, Any]:
    """
    The description in a file.

    :param changed: when the file was changed; another moment is read anew
    """
    import yaml

    if size > MAX_FILE:
        raise ConfigurationError(f"The description {path} is larger than {MAX_FILE} bytes.")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as e:
        raise ConfigurationError(f"The description {path} cannot be read as YAML: {e}") from None
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f"The description {path} is not a mapping of start, poll, outcome and so on."
        )
    return found


def _called(profile: Profile) -> str:
    return repr(profile.get("name", "of this task")) if isinstance(profile, Mapping) else repr(profile)
