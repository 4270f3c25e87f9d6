# SPDX-License-Identifier: Apache-2.0
"""The command line: of ``try``, of push sources and of the record of deliveries."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import pytest

from airflow_async_provider._cli.arguments import limit, new_parser, scheme, secret


def test_values_are_json_where_they_can_be_and_text_else() -> None:
    line = [
        "try",
        "x",
        "--option",
        'outcome={"strict": true}',
        "--option",
        "version=v2",
        "--option",
        "account=7",
    ]
    given = new_parser().parse_args([*line, "--param", "a=b=c", "--json", '{"n": 1}'])
    assert given.option == [("outcome", {"strict": True}), ("version", "v2"), ("account", 7)]
    assert (given.param, given.json, given.data) == ([("a", "b=c")], {"n": 1}, None)


def test_bodies_come_out_of_files(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b'{"n": 2}')
    given = new_parser().parse_args(
        ["try", "x", "--json", f"@{tmp_path}/body", "--data", f"@{tmp_path}/body"]
    )
    assert (given.json, given.data) == ({"n": 2}, b'{"n": 2}')


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--json", "{"], "this is not JSON"),
        (["--data", "@/nothing/here"], "No such file"),
        (["--option", "x"], "NAME=VALUE"),
    ],
)
def test_what_cannot_be_read_is_reported(
    wrong: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        new_parser().parse_args(["try", "x", *wrong])
    assert told in capsys.readouterr().err


# -- push sources


def parsed(*line: str) -> Namespace:
    return new_parser().parse_args(list(line))


def test_a_source_is_described_by_its_arguments() -> None:
    line = ["push-sources", "add", "orders", "--asset", "a", "--asset", "b", "--payload", "id=body.id"]
    found = parsed(*line, "--when", "body.a==1", "--signature", "github", "--key", "k")
    assert (found.name, found.asset, found.payload) == ("orders", ["a", "b"], [("id", "body.id")])
    assert (found.when, found.signature, found.key) == (["body.a==1"], "github", "k")
    assert found.action == "add"


def test_deliveries_are_of_tasks_or_of_sources() -> None:
    assert parsed("push-sources", "deliveries").source is None
    assert parsed("push-sources", "deliveries", "--all-sources").all_sources
    assert parsed("push-sources", "deliveries", "--source", "orders", "--limit", "5").limit == 5
    for text in ("0", "1001", "x", "-1"):
        with pytest.raises(ArgumentTypeError):
            limit(text)


def test_a_key_comes_from_a_file_or_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from a file\n")
    monkeypatch.setenv("THE_KEY", "from a variable")
    assert secret(f"@{tmp_path / 'key'}") == "from a file"
    assert secret("env:THE_KEY") == "from a variable"
    assert secret("text") == "text"
    for text in ("@/no/such/file", "env:NO_SUCH_VARIABLE"):
        with pytest.raises(ArgumentTypeError):
            secret(text)


def test_a_form_is_a_name_or_json() -> None:
    assert scheme("github") == "github"
    assert scheme('{"header": "X"}') == {"header": "X"}
    with pytest.raises(ArgumentTypeError):
        scheme("{")
