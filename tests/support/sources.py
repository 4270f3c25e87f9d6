# SPDX-License-Identifier: Apache-2.0
"""The package as it is written: its modules, which of them are public, and what these offer."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "airflow_async_provider"


def is_private(path: Path) -> bool:
    """Whether a file, or a folder around it, says so by its name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return any(part.startswith("_") and not part.endswith("__") for part in parts)


@cache
def public_names(path: Path) -> set[str]:
    """What a module offers: its ``__all__``, else its own classes and functions without an underscore."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    defined = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in tree.body if isinstance(node, defined)}
    return {name for name in names if not name.startswith("_")}


def has_code(path: Path) -> bool:
    """Whether there is more than a docstring and what a package passes on."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) for node in body)


@cache
def public_modules() -> dict[str, Path]:
    """Names of the public modules that offer something, without the package's own name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if not is_private(path) and path.stem != "__main__" and public_names(path):
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found
