# SPDX-License-Identifier: Apache-2.0
"""The command lines of push sources and of the record of deliveries."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

import pytest

from airflow_async_provider._cli.push_arguments import add_push_commands, limit, scheme, secret


def parsed(*line: str) -> Namespace:
    parser = ArgumentParser()
    add_push_commands(parser.add_subparsers(dest="command"))
    return parser.parse_args(list(line))


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
