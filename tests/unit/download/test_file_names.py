# SPDX-License-Identifier: Apache-2.0
"""Names of several files below one prefix: never outside of it, and no two alike."""

from __future__ import annotations

import pytest

from airflow_async_provider._download.file_names import check_name, names_of
from airflow_async_provider.errors import DownloadError

H = "https://h.example"


@pytest.mark.parametrize("name", ["a.csv", "a/b/c.csv", "..a", "a..b", "ö €", "x" * 255, "?#%2f:*"])
def test_a_name_that_a_remote_gives_is_taken_as_it_is(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../../x",
        "..",
        ".",
        "/etc/passwd",
        "a/",
        "a//b",
        "a/./b",
        "a\\b",
        "a\nb",
        "a\x00b",
        "\x7f",
        "",
        "x" * 256,
        "ö" * 128,  # of two bytes each
    ],
)
def test_a_name_that_leads_elsewhere_or_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(DownloadError, match="no name below the destination"):
        check_name(name)
    with pytest.raises(DownloadError, match="no name below the destination"):
        names_of([("a", ""), (name, "")])


def test_a_file_without_a_name_is_called_as_its_url_is() -> None:
    urls = [f"{H}/out/a.csv?sig=b/c.csv", f"{H}/out/b%20c.csv#d/e", "d/e.csv"]
    assert names_of((None, url) for url in urls) == ["a.csv", "b c.csv", "e.csv"]


@pytest.mark.parametrize("url", ["", H, f"{H}/", f"{H}/..", f"{H}/a%2F..", f"{H}/a%0Ab", f"{H}?a/b"])
def test_a_url_that_tells_no_name_gets_a_number(url: str) -> None:
    assert names_of([("given", ""), (None, url)]) == ["given", "00002-file"]


def test_where_two_urls_tell_the_same_name_all_get_their_number() -> None:
    urls = [f"{H}/1/part.csv", f"{H}/2/part.csv", f"{H}/3/other.csv"]
    found = names_of((None, url) for url in urls)
    assert found == ["00001-part.csv", "00002-part.csv", "00003-other.csv"]


def test_a_name_that_was_given_is_never_changed_for_one_that_was_not() -> None:
    found = names_of([("a.csv", f"{H}/x"), (None, f"{H}/a.csv"), (None, f"{H}/b.csv")])
    assert found == ["a.csv", "00002-a.csv", "00003-b.csv"]


@pytest.mark.parametrize("names", [["a", "b", "a"], ["_manifest.json"]])
def test_two_files_of_one_name_are_an_error(names: list[str]) -> None:
    with pytest.raises(DownloadError, match=f"Two of the files would have the name '{names[-1]}'"):
        names_of([(name, "") for name in names], reserved=["_manifest.json"])


def test_a_number_in_front_may_be_somebody_else_s_name() -> None:
    with pytest.raises(DownloadError, match="Two of the files"):
        names_of([("00002-a", ""), (None, f"{H}/1/a"), (None, f"{H}/2/a")])


def test_no_files_have_no_names() -> None:
    assert names_of([]) == []


def test_a_number_in_front_makes_no_name_too_long_and_keeps_its_end() -> None:
    long = "x" * 251 + ".csv"
    found = names_of([(None, f"{H}/1/{long}"), (None, f"{H}/2/{long}"), (None, f"{H}/3/{'ü' * 127}")])
    assert found[0] == f"00001-{'x' * 245}.csv"
    assert found[1].startswith("00002-x")
    assert all(len(name.encode()) <= 255 for name in found)
    assert found[2] == f"00003-{'ü' * 124}"


@pytest.mark.parametrize("names", [["a", "a/b"], ["x/y/z", "x"], ["x/y/z", "x/y"]])
def test_a_file_cannot_be_the_folder_of_another(names: list[str]) -> None:
    with pytest.raises(DownloadError, match="another one lie below it"):
        names_of([(name, "") for name in names])
