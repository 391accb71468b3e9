"""The fingerprint of a file, by which its stock is booked once: it stays the same from version to version."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.imports.options import import_key, options_of

MAY = {"import_key": "May", "stock": "add", "decimal": "comma", "mapping": '{"name":"name"}'}


def test_fingerprints_stay_the_same(tmp_path: Path) -> None:
    file = tmp_path / "tea.csv"
    file.write_bytes(b"name,location,quantity\nTea,Shelf,1\n")
    assert import_key(file, options_of({})) == ("2f2844d918ecf78f7302a22ec75e48a6",) * 2
    assert import_key(file, options_of(MAY)) == (
        "7b15ad7f1007092f0ba21c6d5b848041",
        "7905fbe910d40d696fadca02f007de9c",
    )


def test_file_without_preset_is_the_same_from_the_page_and_the_api(tmp_path: Path) -> None:
    file = tmp_path / "tea.csv"
    file.write_bytes(b"name,location,quantity\nTea,Shelf,1\n")
    assert import_key(file, options_of({"preset": "none"})) == import_key(file, options_of({}))


@pytest.mark.parametrize(
    "option", [{"header_row": "1"}, {"dates": "dmy"}, {"location": "Shelf"}, {"repair_barcodes": "no"}]
)
def test_reading_a_file_in_another_way_is_another_import(option: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "tea.csv"
    file.write_bytes(b"name,location,quantity\nTea,Shelf,1\n")
    assert import_key(file, options_of(option)) != import_key(file, options_of({}))
