# SPDX-License-Identifier: Apache-2.0
"""What the documentation says is so: its code runs, its commands exist, it names all that it must name."""

from __future__ import annotations

import ast
import configparser
import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider import errors
from airflow_async_provider.operators._base import AsyncJobOperator
from airflow_async_provider.provider_info import get_provider_info
from airflow_async_provider.sensors._base import JobSensor
from tests.support.docs_pages import (
    DOCS,
    ROOT,
    Block,
    blocks,
    code_spans,
    commands,
    links,
    name_of,
    pages,
    prose,
    rows,
    section,
)

PACKAGE = ROOT / "airflow_async_provider"
LANGUAGES = {"python", "json", "yaml", "bash", "console", "text", "ini", "http", "nginx"}
COMMON = DOCS / "common_arguments.md"
#: which page a module of operators, sensors or transfers belongs to; else the page has the module's name
PAGE_OF = {
    "async_job": "jaggaer_aso",
    "async_result": "jaggaer_aso",
    "download": "downloads",
    "remote_job": "wait_for_anything",
    "_open_connectors_bulk": "open_connectors",
}


def marked(found: list[Block]) -> list[Any]:
    return [pytest.param(block, id=str(block)) for block in found]


# -- code blocks ---------------------------------------------------------------------------------------------


def test_there_is_documentation_to_be_tested() -> None:
    assert len(OPERATORS) > 8
    assert len(blocks("python")) > 10
    assert len(blocks("bash", "console")) > 10


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_a_code_block_says_its_language(path: Path) -> None:
    wrong = [
        f"{block}: {block.language!r}"
        for block in blocks()
        if block.page == name_of(path) and block.language not in LANGUAGES
    ]
    assert not wrong


@pytest.mark.parametrize("block", marked(blocks("python")))
def test_python_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec", dont_inherit=True)


@pytest.mark.parametrize("block", marked(blocks("json")))
def test_json_parses(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", marked(blocks("ini")))
def test_configuration_names_existing_options(block: Block) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(block.text)
    known = get_provider_info()["config"]
    for name in parser.sections():
        if name in known:
            assert set(parser[name]) <= set(known[name]["options"])


@pytest.mark.parametrize("block", marked(blocks("bash", "console")))
def test_connections_in_shell_blocks_parse(block: Block) -> None:
    for command in commands(block):
        if match := re.match(r"export AIRFLOW_CONN_\w+='(.*)'$", command, re.DOTALL):
            assert json.loads(match[1])["conn_type"]


def has_dag(block: Block) -> bool:
    return re.search(r"^with DAG\(|^@dag", block.text, re.MULTILINE) is not None


def our_imports(text: str) -> list[tuple[str, str]]:
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name)
        for alias in node.names
        if node.module
    ]


def airflow_commands() -> list[tuple[Block, list[str]]]:
    return [
        (block, shlex.split(command.split(" | ")[0].rstrip("& "), comments=True)[1:])
        for block in blocks("bash", "console")
        for command in commands(block)
        if command.startswith("airflow ")
    ]


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The answers of one process with Airflow, for all questions at once: starting it takes seconds."""
    folder = tmp_path_factory.mktemp("dags")
    dags = {}
    for number, block in enumerate(block for block in blocks("python") if has_dag(block)):
        file = folder / f"block_{number}.py"
        file.write_text(block.text, encoding="utf-8")
        dags[str(block)] = str(file)
    dags |= {name_of(path): str(path) for path in sorted((ROOT / "example_dags").glob("*.py"))}
    order = {
        "dags": dags,
        "imports": [names for block in blocks("python") for names in our_imports(block.text)],
        "airflow": [words for _, words in airflow_commands()],
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.docs_child"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(DOCS / "examples")])},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**answer, "order": order}


@pytest.mark.thorough
def test_dags_load_without_warnings_and_names_and_commands_exist(child: dict[str, Any]) -> None:
    assert len(child["dags"]) > 3
    assert {name: problems for name, problems in child["dags"].items() if problems} == {}
    assert child["imports"]
    assert [problem for problem in child["imports"] if problem] == []
    assert child["airflow"]
    asked = zip(child["order"]["airflow"], child["airflow"], strict=True)
    assert {" ".join(words): problem for words, problem in asked if problem} == {}


# -- commands ------------------------------------------------------------------------------------------------


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_targets_of_make_exist(path: Path) -> None:
    named = set()
    for block in blocks("bash", "console", "text"):
        if block.page == name_of(path):
            named |= {m for c in commands(block) for m in re.findall(r"^make ((?:[A-Z]+=\S+ )*)([a-z-]+)", c)}
    spans = [re.match(r"make ((?:[A-Z]+=\S+ )*)([a-z-]+)", span) for span in code_spans(prose(path))]
    targets = {target for _, target in named} | {match[2] for match in spans if match}
    assert targets <= make_targets()


@pytest.mark.parametrize("block", marked([b for b in blocks("bash", "console") if ".simulators" in b.text]))
def test_command_lines_of_simulators_are_understood(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    from airflow_async_provider.simulators.__main__ import build_parser

    for command in commands(block):
        words = shlex.split(command.rstrip("& "))
        if words[:3] == ["python", "-m", "airflow_async_provider.simulators"]:
            try:
                build_parser().parse_args(words[3:])
            except SystemExit:
                pytest.fail(capsys.readouterr().err)


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_files_that_are_named_exist(path: Path) -> None:
    tops = "tests|docs|example_dags|benchmarks|requirements|demo|airflow_async_provider"
    spans = [
        span
        for span in code_spans(prose(path))
        if re.fullmatch(rf"({tops})/[\w./-]+", span) and "_build" not in span
    ]
    inside = [
        span
        for span in code_spans(prose(path))
        if re.fullmatch(r"(protocols|hooks|operators|simulators|_[a-z]+)/\w+\.py", span)
        and "acme" not in span
    ]
    missing = [span for span in spans if not (ROOT / span).exists()]
    missing += [span for span in inside if not (PACKAGE / span).exists()]
    assert missing == []


@pytest.mark.parametrize("path", pages(), ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in links(path):
        file, _, anchor = target.partition("#")
        where = path if not file else (path.parent / file)
        if not where.exists() or (anchor and anchor not in anchors(where)):
            broken.append(target)
    assert broken == []


def anchors(path: Path) -> set[str]:
    """Anchors of the headings, as GitHub and MyST make them."""
    found = re.findall(r"^#+ (.+?)\s*$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


# -- completeness --------------------------------------------------------------------------------------------


def public_operators() -> list[type]:
    """The operators and sensors that a DAG author finds: those of the modules that Airflow is told of."""
    from airflow.sdk import BaseOperator

    info = get_provider_info()
    modules = [
        module
        for kind in ("operators", "sensors")
        for part in info[kind]
        for module in part["python-modules"]
    ]
    modules += [part["python-module"] for part in info["transfers"]]
    found = []
    for module in map(importlib.import_module, modules):
        for name, thing in vars(module).items():
            ours = inspect.isclass(thing) and issubclass(thing, BaseOperator) and not name.startswith("_")
            if ours and (thing.__module__ == module.__name__ or name in getattr(module, "__all__", ())):
                found.append(thing)
    return found


def arguments_of(operator: type, *, shared: bool) -> dict[str, Any]:
    """Arguments with their defaults; ``shared`` chooses those of the common base classes, or the others."""
    found: dict[str, Any] = {}
    given: set[str] = set()
    for cls in operator.__mro__:
        init = cls.__dict__.get("__init__")
        if init is None or not cls.__module__.startswith(PACKAGE.name):
            continue
        is_shared = cls in AsyncJobOperator.__mro__
        own = inspect.signature(init).parameters
        for name, parameter in own.items():
            if parameter.kind is parameter.KEYWORD_ONLY and is_shared is shared and name not in given:
                found.setdefault(name, parameter.default)
        # What a class itself gives to its base is no longer an argument, unless it is one of its own, too.
        given |= _given_to_super(init) - set(own)
    return found


def _given_to_super(init: Any) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(init))))
    return {
        keyword.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__"
        for keyword in node.keywords
        if keyword.arg
    }


OPERATORS = public_operators()


def page_of(operator: type) -> Path:
    stem = operator.__module__.rpartition(".")[2]
    return DOCS / f"{PAGE_OF.get(stem, stem)}.md"


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_every_operator_and_its_arguments_are_on_the_page_of_its_system(operator: type) -> None:
    page = page_of(operator)
    assert page.exists(), f"{name_of(page)} is missing"
    text = prose(page)
    assert operator.__name__ in text
    spans = {re.split(r"[=(:\s]", span)[0] for span in code_spans(text)}
    common = set(code_spans(prose(COMMON)))
    assert set(arguments_of(operator, shared=False)) - spans - common == set()
    if (
        set(arguments_of(operator, shared=True)) | common & set(arguments_of(operator, shared=False))
    ) - spans:
        linked = {target.partition("#")[0] for target in links(page)}
        assert "common_arguments.md" in linked, "arguments of all operators: link common_arguments.md"


def test_arguments_of_every_operator_are_on_their_page() -> None:
    assert set(arguments_of(AsyncJobOperator, shared=True)) - set(code_spans(prose(COMMON))) == set()


def public_hooks() -> list[type]:
    """The hooks of the modules that Airflow is told of."""
    modules = [module for part in get_provider_info()["hooks"] for module in part["python-modules"]]
    return [
        thing
        for module in map(importlib.import_module, modules)
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and thing.__module__ == module.__name__ and name.endswith("Hook")
    ]


#: what Airflow or this package itself calls, not a DAG author
INNER = {
    "origin_of",
    "endpoint_from",
    "signature_scheme",
    "signature_keys",
    "credentials_for",
    "get_connection_form_widgets",
    "get_ui_field_behaviour",
}


@pytest.mark.parametrize("hook", public_hooks(), ids=lambda hook: hook.__name__)
def test_every_hook_its_arguments_and_its_methods_are_on_the_page_of_its_system(hook: type) -> None:
    page = DOCS / f"{hook.__module__.rpartition('.')[2]}.md"
    spans = " ".join(code_spans(section(page, hook.__name__)))
    arguments = inspect.signature(hook.__init__).parameters  # type: ignore[misc] # read, not called
    wanted = {name for name, p in arguments.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name != "self"}
    own = {name for name, thing in vars(hook).items() if inspect.isroutine(thing) and name[0] != "_"}
    methods = {name for name in own if not (name[0] == "a" and name[1:] in own)} - INNER  # without twins
    assert f"{hook.__module__}.{hook.__name__}" in spans
    assert sorted(name for name in wanted | methods if not re.search(rf"\b{name}\b", spans)) == []


def literal(cell: str) -> Any:
    """The value that a table's cell names; Ellipsis when it names none."""
    try:
        return ast.literal_eval(cell.strip("`"))
    except (ValueError, SyntaxError):
        return ...


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_defaults_in_an_operators_table_are_those_of_the_code(operator: type) -> None:
    known = {**arguments_of(operator, shared=True), **arguments_of(operator, shared=False)}
    wrong = {}
    for heading, cells in rows(section(page_of(operator), operator.__name__)):
        for name in code_spans(cells[0]) if heading == "Argument" and len(cells) > 2 else ():
            if name not in known:
                wrong[name] = "no such argument"
            elif literal(cells[1]) is not ... and literal(cells[1]) != known[name]:
                wrong[name] = f"{cells[1]}, but {known[name]!r}"
    assert wrong == {}


def test_defaults_in_the_table_of_common_arguments_are_those_of_the_code() -> None:
    known = arguments_of(AsyncJobOperator, shared=True)
    said = {
        code_spans(cells[0])[0]: literal(cells[1])
        for heading in ("Waiting", "Callbacks", "Destinations")
        for _, cells in rows(section(COMMON, heading))
    }
    assert {name: said.get(name) for name in known if name != "conn_id"} == {
        name: default for name, default in known.items() if name != "conn_id"
    }


def test_defaults_in_the_table_of_sensors_are_those_of_the_code() -> None:
    parameters = inspect.signature(JobSensor.__init__).parameters.values()
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "conn_id"}
    said = {code_spans(cells[0])[0]: literal(cells[1]) for _, cells in rows(section(COMMON, "Sensors"))}
    assert {name: said.get(name) for name in known} == known


def test_every_trigger_that_airflow_is_told_of_is_documented() -> None:
    text = "".join(prose(path) for path in DOCS.glob("*.md"))
    for module in (module for part in get_provider_info()["triggers"] for module in part["python-modules"]):
        for name, thing in vars(importlib.import_module(module)).items():
            if inspect.isclass(thing) and thing.__module__ == module and name.endswith("Trigger"):
                assert name in text


def test_arguments_of_the_asset_watcher_are_on_its_page_with_their_defaults() -> None:
    from airflow_async_provider.triggers.async_job_event import AsyncJobEventTrigger

    said = {
        code_spans(cells[0])[0]: literal(cells[1]) for _, cells in rows(prose(DOCS / "asset_watching.md"))
    }
    known = inspect.signature(AsyncJobEventTrigger).parameters
    assert said == {n: ... if p.default is p.empty else p.default for n, p in known.items()}


def test_every_error_is_documented_with_its_place_in_the_tree() -> None:
    known = {
        name: {base.__name__ for base in thing.__bases__}
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.AsyncJobError)
    }
    said = {
        code_spans(cells[0])[0]: set(code_spans(cells[1]))
        for heading, cells in rows(prose(DOCS / "errors.md"))
        if heading == "Class"
    }
    assert said == known


@pytest.mark.parametrize(
    "connection",
    get_provider_info()["connection-types"],
    ids=lambda connection: connection["connection-type"],
)
def test_every_field_of_a_connection_is_on_the_page_of_its_system(connection: dict[str, Any]) -> None:
    page = DOCS / f"{connection['connection-type'].removeprefix('sap_')}.md"
    spans = set(code_spans(section(page, "Connection")))
    shown = {"host", "port", "login", "password"} - set(connection["ui-field-behaviour"]["hidden-fields"])
    assert (shown | set(connection.get("conn-fields", {}))) - spans == set()


def test_every_option_is_documented_with_its_default() -> None:
    options = get_provider_info()["config"]["async_provider"]["options"]
    said = {
        code_spans(cells[0])[0]: cells[1].strip("`")
        for heading, cells in rows(section(DOCS / "operations.md", "Settings"))
        if heading == "Option"
    }
    assert said == {name: option["default"] for name, option in options.items()}


def test_every_metric_is_documented() -> None:
    from airflow_async_provider._callbacks.handling import Verdict

    used = {f"callback.{verdict.value}" for verdict in Verdict}
    for file in (file for file in PACKAGE.rglob("*.py") if "simulators" not in file.parts):
        text = file.read_text(encoding="utf-8")
        used |= set(re.findall(r'\b(?:count|timing)\(\s*"([a-z_.]+)"', text))
        if file.name == "receiver.py":
            used |= {f"callback.{name}" for name in re.findall(r'\.ended, "([a-z_]+)"', text)}
    said = set(code_spans(section(DOCS / "operations.md", "Metrics")))
    assert {f"async_provider.{name}" for name in used} <= said


def test_the_table_of_rooms_tells_who_imports_whom() -> None:
    said = {}
    for heading, cells in rows(section(DOCS / "architecture.md", "The house")):
        for room in code_spans(cells[0]) if heading == "Room" else ():
            said[room.removesuffix("/").removesuffix(".py")] = " ".join(cells)
    wrong = set()
    for file in PACKAGE.rglob("*.py"):
        room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE.name}."):
                other = (node.module or "").split(".")[1]
                if other != room and other not in said[room] and "everything below" not in said[room]:
                    wrong.add(f"{room} imports {other}: {file.name}")
    assert wrong == set()


def test_every_state_is_documented() -> None:
    from airflow_async_provider.protocols import JobState

    assert {state.value for state in JobState} - set(code_spans(prose(DOCS / "concepts.md"))) == set()


def test_every_word_of_aso_is_documented() -> None:
    from airflow_async_provider.protocols._jaggaer_aso import STATES

    assert set(STATES) - set(code_spans(section(DOCS / "jaggaer_aso.md", "Status"))) == set()


def test_every_simulator_is_documented() -> None:
    from airflow_async_provider.simulators.__main__ import SIMULATORS

    assert set(SIMULATORS) - set(code_spans(prose(DOCS / "simulators.md"))) == set()


# -- troubleshooting -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def messages() -> list[str]:
    """Every text in the package's code, what is filled in replaced by an ellipsis."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
                found.append(" ".join("".join(map(str, parts)).split()))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(" ".join(re.sub(r"%[-\d.]*[sdrfg]", "…", node.value).split()))
    return found


#: messages that others write
FOREIGN = {"[45254] The credentials are not valid.", "Skipping masking for a secret as it's too short"}


@pytest.mark.parametrize(
    "path",
    [path for path in pages() if re.search("^#+ Troubleshooting", prose(path), re.MULTILINE)],
    ids=name_of,
)
def test_messages_that_troubleshooting_explains_are_in_the_code(path: Path, messages: list[str]) -> None:
    heading = re.findall(r"^#+ (Troubleshooting.*?)\s*$", prose(path), re.MULTILINE)[0]
    table = [cells for _, cells in rows(section(path, heading))]
    quoted = [span for cells in table for span in code_spans(cells[0]) if span not in FOREIGN]
    assert quoted
    assert [quote for quote in quoted if not any(" ".join(quote.split()) in text for text in messages)] == []
