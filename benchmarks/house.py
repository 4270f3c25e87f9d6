# SPDX-License-Identifier: Apache-2.0
"""
How hard the house is to walk: figures of the sources, and of the way that a job takes through them.

``python benchmarks/house.py [FOLDER ...]`` prints a column for each folder that holds the package, by default
this checkout's, so that a commit can be compared with another one::

    git worktree add /tmp/before 2ed7b1c
    python benchmarks/house.py /tmp/before .

Most is read from the sources. Two children import the package: one asks its classes for their bases, the
other performs a job (``house_walk.py``). There is no network but loopback.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PACKAGE = "airflow_async_provider"

#: Rooms whose classes a DAG author instantiates, and those that drive jobs.
PUBLIC_ROOMS = ("operators", "sensors", "transfers")
ENGINE = (*PUBLIC_ROOMS, "jobs", "_jobs")

#: Names under which the record of a job goes through the engine.
RECORDS = ("run", "saved", "record", "stored")

#: Words that the glossary has replaced. "Claim" is none any more: the class that had the name is
#: ``AuthenticatedCallback`` now, and what a triggerer holds while it stores a result is a claim.
WORDS = (
    "letter", "letters", "question", "questions", "truth", "said", "told", "tell", "teller", "spoken",
    "advice", "native", "understood", "strangers", "youth", "astill", "persistence", "pace", "rarest",
    "longest",
)  # fmt: skip

#: Asks the classes of the package what stands above them, and whose private methods they replace.
CLASSES = """
import importlib, inspect, json, pathlib, pkgutil, sys
import airflow_async_provider as package

ours = package.__name__ + "."
found = {}
offered = set()
for info in pkgutil.walk_packages(package.__path__, ours):
    if ".simulators" in info.name:
        continue
    module = importlib.import_module(info.name)
    parts = info.name.split(".")[1:]
    public = parts[0] in ("operators", "sensors", "transfers") and not any(p.startswith("_") for p in parts)
    for name, thing in vars(module).items():
        if inspect.isclass(thing) and thing.__module__.startswith(ours):
            found[thing.__module__, thing.__qualname__] = thing
            if public and (thing.__module__ == info.name or name in getattr(module, "__all__", ())):
                offered.add(thing)
above, overrides = {}, []
for (module, name), cls in sorted(found.items()):
    bases = [b for b in cls.__mro__[1:] if b.__module__.startswith(ours)]
    if cls in offered and not name.startswith("_") and hasattr(cls, "execute"):
        above[name] = len(bases)
    for attribute, value in vars(cls).items():
        private = attribute.startswith("_") and not attribute.endswith("__")
        if not private or not callable(getattr(value, "__func__", value)):
            continue
        over = [b for b in bases if attribute in vars(b) and b.__module__ != module]
        if over:
            overrides.append([f"{module}.{name}.{attribute}", over[-1].__module__])
print(json.dumps({"above": above, "overrides": overrides}))
"""


class House:
    """
    The sources of one checkout.

    :param folder: holds the package and its tests
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.root = self.folder / PACKAGE
        self.files = [path for path in sorted(self.root.rglob("*.py")) if "simulators" not in path.parts]
        self.all_files = sorted(self.root.rglob("*.py"))

    @cached_property
    def trees(self) -> dict[Path, ast.Module]:
        """All modules, parsed."""
        return {path: ast.parse(path.read_text(encoding="utf-8")) for path in self.all_files}

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Full names of the modules."""
        return {self.name_of(path): path for path in self.all_files}

    def name_of(self, path: Path) -> str:
        """Full name of a module."""
        parts = path.relative_to(self.folder).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def room(self, path: Path) -> str:
        """The part of the package that a file lies in."""
        return path.relative_to(self.root).parts[0]

    def child(self, *command: str) -> Any:
        """What a Python that finds this checkout's package answers, as JSON."""
        env = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        env["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{self.folder}: {' '.join(command)[:60]} ...\n{done.stderr[-3000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    # -- read from the sources

    def lines(self) -> int:
        """Lines of the package without its simulators."""
        return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in self.files)

    def private_files(self) -> tuple[int, int]:
        """Files whose path says that they are private, of how many."""
        hidden = [
            path
            for path in self.files
            if any(re.match("_(?!_)", part) for part in path.relative_to(self.root).parts)
        ]
        return len(hidden), len(self.files)

    def record_uses(self) -> Counter[str]:
        """Subscripts with a literal key on the dictionary that is a job's record, by file."""
        found: Counter[str] = Counter()
        for path in self.files:
            for node in ast.walk(self.trees[path]):
                if (
                    isinstance(node, ast.Subscript)
                    and isinstance(node.value, ast.Name)
                    and node.value.id in RECORDS
                    and isinstance(node.slice, ast.Constant)
                    and isinstance(node.slice.value, str)
                ):
                    found[str(path.relative_to(self.root))] += 1
        return found

    def kept_on_operators(self) -> list[str]:
        """
        Attributes that methods of operators set on themselves after ``__init__``.

        Cached properties are none: they follow from the arguments and not from the run.
        """
        found = set()
        for path in self.files:
            if self.room(path) not in ENGINE:
                continue
            for cls in ast.walk(self.trees[path]):
                if isinstance(cls, ast.ClassDef) and _is_operator(cls):
                    found |= set(_set_outside_init(cls))
        return sorted(found)

    def imports(self, source: ast.AST) -> Iterator[str]:
        """The package's modules that a source imports, in functions too, but not for type checkers alone."""
        for node in ast.iter_child_nodes(source):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                for part in node.orelse:
                    yield from self.imports(part)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in self.modules)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    name = inner if inner in self.modules else node.module
                    if name in self.modules:
                        yield name
            else:
                yield from self.imports(node)

    def circles(self) -> list[list[str]]:
        """Groups of modules of which each one needs all others of the group."""
        return circles({self.name_of(path): set(self.imports(tree)) for path, tree in self.trees.items()})

    def tests_of(self, path: Path) -> list[Path]:
        """The tests that a module's path leads to: ``_x/y/_z.py`` is tested by ``x/y/test_z*.py``."""
        *folders, name = (part.strip("_") for part in path.relative_to(self.root).with_suffix("").parts)
        places = [Path(self.folder, "tests", kind, *folders) for kind in ("unit", "integration")]
        return [
            *(t for p in places for glob in (f"test_{name}.py", f"test_{name}_*.py") for t in p.glob(glob))
        ]

    def untested(self, *, simulators: bool) -> tuple[list[str], int]:
        """
        Modules that no test imports and no test is named after, of how many that have code.

        Some are best tested through what a DAG author uses: those of a command through its line, those of an
        HTTP app through its requests. Their tests are found by their paths and import none of them.
        """
        imported: set[str] = set()
        for path in (self.folder / "tests").rglob("*.py"):
            imported |= set(self.imports(ast.parse(path.read_text(encoding="utf-8"))))
        coded = [name for name, path in self.modules.items() if _has_code(self.trees[path])]
        coded = [name for name in coded if simulators or ".simulators" not in name]
        untested = [n for n in coded if n not in imported and not self.tests_of(self.modules[n])]
        return untested, len(coded)

    def old_words(self) -> Counter[str]:
        """Words that the glossary has replaced, as parts of names."""
        found: Counter[str] = Counter()
        for path in self.files:
            for name in _names(self.trees[path]):
                found.update(word for word in re.findall(r"[a-z]+", _snake(name)) if word in WORDS)
        return found


def _is_operator(cls: ast.ClassDef) -> bool:
    """By its name or its bases', as nothing is imported here; mixins of operators carry the word as well."""
    names = [cls.name, *(ast.unparse(base) for base in cls.bases)]
    return any(re.search(r"Operator|Sensor", name) for name in names)


def _set_outside_init(cls: ast.ClassDef) -> Iterator[str]:
    for method in cls.body:
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if method.name == "__init__":
            continue
        for node in ast.walk(method):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign | ast.AugAssign):
                targets = [node.target]
            for target in targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Attribute) and ast.unparse(part.value) == "self":
                        yield part.attr


def circles(needs: dict[str, set[str]]) -> list[list[str]]:
    """
    Groups of names of which each one needs all others of the group.

    :param needs: what each one needs itself
    """
    reach = {name: _reachable(name, needs) for name in needs}
    groups = {frozenset({name, *(o for o in reach[name] if name in reach[o])}) for name in needs}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reachable(start: str, needs: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    queue = [start]
    while queue:
        for other in needs.get(queue.pop(), set()) - seen:
            seen.add(other)
            queue.append(other)
    return seen


def _has_code(tree: ast.Module) -> bool:
    """More than a docstring and what a package passes on."""
    return any(not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) for node in tree.body)


def _names(tree: ast.Module) -> Iterator[str]:
    """Names that a module gives: of functions, classes, arguments, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def measure(folder: Path) -> dict[str, Any]:
    """All figures of one checkout."""
    house = House(folder)
    classes = house.child("-c", CLASSES)
    walks = {name: house.child(str(HERE / "house_walk.py"), name) for name in ("aso", "automic")}
    untested, modules = house.untested(simulators=False)
    in_all, all_modules = house.untested(simulators=True)
    hidden, files = house.private_files()
    records, words, kept = house.record_uses(), house.old_words(), house.kept_on_operators()
    circles = house.circles()
    most = max(classes["above"].items(), key=lambda item: item[1])
    methods = {name.rpartition(".")[2] for name, _ in classes["overrides"]}
    figures = {
        "lines of the package (without simulators)": house.lines(),
        "functions and files on the way of an ASO job": _in(walks["aso"]),
        "functions and files on the way of an Automic job": _in(walks["automic"]),
        "changes of file within the engine, ASO (Automic)": (
            f"{walks['aso']['engine_changes']} ({walks['automic']['engine_changes']})"
        ),
        "files of the engine on that way, ASO (Automic)": (
            f"{walks['aso']['engine_files']} ({walks['automic']['engine_files']})"
        ),
        "classes of ours above a public operator, at most": f"{most[1]} ({most[0]})",
        "private methods that another file overrides": (
            f"{len(classes['overrides'])} overrides of {len(methods)} methods"
        ),
        "values that operators get after __init__": len(kept),
        "uses of a dictionary as the record": sum(records.values()),
        "files whose path says private (without simulators)": f"{hidden} of {files}",
        "import circles, also inside functions": len(circles),
        "replaced words in names": sum(words.values()),
        "modules without a test (with simulators)": (
            f"{len(untested)} of {modules} ({len(in_all)} of {all_modules})"
        ),
    }
    details = {
        "above": classes["above"],
        "overrides": classes["overrides"],
        "kept": kept,
        "left_on_operator": {name: found["left_on_operator"] for name, found in walks.items()},
        "most_changes": {name: found["most_changes"] for name, found in walks.items()},
        "functions_by_file": {name: found["functions_by_file"] for name, found in walks.items()},
        "records": dict(records),
        "circles": circles,
        "words": dict(words),
        "untested": in_all,
    }
    return {"figures": figures, "details": details}


def _in(walk: dict[str, Any]) -> str:
    return f"{walk['functions']} in {walk['files']}"


def table(columns: dict[str, dict[str, Any]]) -> str:
    """The figures side by side, as Markdown."""
    names = list(columns)
    lines = ["| " + " | ".join(["Measured", *names]) + " |", "|" + "---|" * (len(names) + 1)]
    for what in columns[names[0]]["figures"]:
        cells = [str(columns[name]["figures"][what]) for name in names]
        lines += ["| " + " | ".join([what, *cells]) + " |"]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[HERE.parent], help="checkouts")
    parser.add_argument("--details", action="store_true", help="what was counted, as JSON")
    given = parser.parse_args()
    columns = {str(folder): measure(folder) for folder in given.folders}
    print(table(columns))
    if given.details:
        print(json.dumps({name: column["details"] for name, column in columns.items()}, indent=1))


if __name__ == "__main__":
    main()
