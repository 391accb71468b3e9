"""The settings of off-site copies: refused by name when they are wrong, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocky.config import ConfigError, load

S3 = {
    "STOCKY_OFFSITE_URL": "s3://stock-backups/here",
    "STOCKY_OFFSITE_S3_ACCESS_KEY_ID": "key",
    "STOCKY_OFFSITE_S3_SECRET_ACCESS_KEY": "the secret",
}


def test_nothing_is_copied_by_default(tmp_path: Path) -> None:
    assert load({"STOCKY_DATA_DIR": str(tmp_path)}).offsite.destinations == ()


def test_several_destinations_have_one_set_of_keys(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    config = load({
        **S3,
        "STOCKY_DATA_DIR": str(tmp_path / "data"),
        "STOCKY_OFFSITE_URL": "s3://stock-backups/here/, file:///mnt/my nas, the old one s3://other-bucket",
        "STOCKY_OFFSITE_S3_SECRET_ACCESS_KEY": "",
        "STOCKY_OFFSITE_S3_SECRET_ACCESS_KEY_FILE": str(tmp_path / "key"),
        "STOCKY_OFFSITE_S3_ENDPOINT": "https://s3.example.org/",
        "STOCKY_OFFSITE_S3_PATH_STYLE": "false",
        "STOCKY_OFFSITE_KEEP": "0",
    })  # fmt: skip
    first, share, last = config.offsite.destinations
    assert [each.url for each in (first, share, last)] == [
        "s3://stock-backups/here",
        "file:///mnt/my nas, the old one",
        "s3://other-bucket",
    ]
    assert (first.secret_access_key, first.endpoint, first.path_style) == (
        "from a file",
        "https://s3.example.org",
        False,
    )
    assert config.offsite.keep == 0
    assert "from a file" not in repr(config) + repr(config.offsite) + str(first)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"STOCKY_OFFSITE_URL": "ftp://example.org"}, ["STOCKY_OFFSITE_URL"]),
        ({"STOCKY_OFFSITE_URL": "file://"}, ["STOCKY_OFFSITE_URL"]),
        ({"STOCKY_OFFSITE_URL": "/mnt/nas"}, ["STOCKY_OFFSITE_URL"]),
        ({**S3, "STOCKY_OFFSITE_URL": "s3://"}, ["STOCKY_OFFSITE_URL"]),
        ({**S3, "STOCKY_OFFSITE_URL": "s3://key:the secret@bucket"}, ["STOCKY_OFFSITE_URL"]),
        ({**S3, "STOCKY_OFFSITE_URL": "s3://bucket/a s3://bucket/a/"}, ["STOCKY_OFFSITE_URL"]),
        (
            {"STOCKY_OFFSITE_URL": "s3://bucket"},
            ["STOCKY_OFFSITE_S3_ACCESS_KEY_ID", "STOCKY_OFFSITE_S3_SECRET_ACCESS_KEY"],
        ),
        ({**S3, "STOCKY_OFFSITE_S3_ENDPOINT": "s3.example.org"}, ["STOCKY_OFFSITE_S3_ENDPOINT"]),
        ({**S3, "STOCKY_OFFSITE_S3_PATH_STYLE": "maybe"}, ["STOCKY_OFFSITE_S3_PATH_STYLE"]),
        ({**S3, "STOCKY_OFFSITE_KEEP": "-1"}, ["STOCKY_OFFSITE_KEEP"]),
    ],
)
def test_wrong_settings_are_all_named_at_start(settings: dict[str, str], named: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load({"STOCKY_DATA_DIR": str(tmp_path)} | settings)
    assert [problem.partition(":")[0] for problem in raised.value.problems] == named
    assert "the secret" not in str(raised.value)


@pytest.mark.parametrize("inside", ["", "backups", "backups/copies"])
def test_directory_that_would_be_lost_together_with_the_data_is_rejected(inside: str, tmp_path: Path) -> None:
    directory = tmp_path / "data" / inside
    with pytest.raises(ConfigError, match="another disk or a mounted share"):
        load({"STOCKY_DATA_DIR": str(tmp_path / "data"), "STOCKY_OFFSITE_URL": f"file://{directory}"})
