# SPDX-License-Identifier: Apache-2.0
"""The command line of ``try``, in the package's own and in Airflow's."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_async_provider._cli.arguments import build_parser


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
    given = build_parser().parse_args([*line, "--param", "a=b=c", "--json", '{"n": 1}'])
    assert given.option == [("outcome", {"strict": True}), ("version", "v2"), ("account", 7)]
    assert (given.param, given.json, given.data) == ([("a", "b=c")], {"n": 1}, None)


def test_bodies_come_out_of_files(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b'{"n": 2}')
    given = build_parser().parse_args(
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
        build_parser().parse_args(["try", "x", *wrong])
    assert told in capsys.readouterr().err
