# SPDX-License-Identifier: Apache-2.0
"""What all destinations share."""

from __future__ import annotations

import pytest

from airflow_async_provider._download import open_destination
from airflow_async_provider.errors import DestinationExistsError, DownloadError


@pytest.mark.parametrize("uri", ["/data/x.csv", "s3://bucket/key"])
def test_errors_name_the_place_and_what_to_do(uri: str) -> None:
    place = open_destination(uri, if_exists="fail")
    error = place.exists_error()
    assert isinstance(error, DestinationExistsError)
    assert place.uri in str(error)
    assert "if_exists='replace'" in str(error)
    assert place._within(7, b"7 bytes") == b"7 bytes"
    with pytest.raises(DownloadError, match="7 bytes"):
        place._within(7, b"8 bytes.")


def test_a_place_has_no_memory_of_uploads_unless_it_is_given_one() -> None:
    place = open_destination("/data/x.csv")
    assert place.uploads is None
    assert "x.csv" in repr(place)
