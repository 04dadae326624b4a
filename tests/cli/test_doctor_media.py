"""`blazz doctor` says of the media store whether it may be used as it must be, and what to do when not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest

from blazz.cli import doctor_media
from blazz.cli.doctor_media import check_converters, check_media_store
from blazz.kit.settings import Settings
from tests.support.buckets import s3_values


@pytest.fixture
def values(bucket: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return s3_values(bucket)


def client(values: dict[str, Any]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=values["media_s3_endpoint"],
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )


def keys(values: dict[str, Any]) -> list[str]:
    found = client(values).list_objects_v2(Bucket=values["media_s3_bucket"], Prefix=values["media_s3_prefix"])
    return [one["Key"] for one in found.get("Contents", [])]


def test_a_store_on_disk_is_written_and_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert "will be made" in check_media_store(settings).detail
    settings.media_dir.mkdir()
    finding = check_media_store(settings)
    assert finding.level in ("ok", "warn"), finding
    assert "written in" in finding.detail
    assert not [file for file in settings.media_dir.rglob("*") if file.is_file()]


def test_a_bucket_is_written_and_read_and_left_as_it_was(tmp_path: Path, values: dict[str, Any]) -> None:
    finding = check_media_store(Settings(data_dir=tmp_path, **values))
    assert finding.level in ("ok", "warn"), finding
    assert f"s3://files/{values['media_s3_prefix']}: written in" in finding.detail
    assert keys(values) == []


def test_while_files_are_moved_both_stores_are_tried(tmp_path: Path, values: dict[str, Any]) -> None:
    settings = Settings(data_dir=tmp_path, media_second_store="disk", **values)
    settings.media_dir.mkdir()
    finding = check_media_store(settings)
    assert f"Second store: {settings.media_dir.resolve()}: written in" in finding.detail, finding


def test_a_bucket_that_is_not_there_is_told(tmp_path: Path, values: dict[str, Any]) -> None:
    finding = check_media_store(Settings(data_dir=tmp_path, **{**values, "media_s3_bucket": "nowhere"}))
    assert finding.level == "fail"
    assert "writing an object fails" in finding.detail
    assert "s3:PutObject" in finding.detail


def test_a_bucket_that_strangers_read_is_told(tmp_path: Path, values: dict[str, Any]) -> None:
    open_to_all = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::open/*"}
    client(values).create_bucket(Bucket="open")
    client(values).put_bucket_policy(
        Bucket="open", Policy=json.dumps({"Version": "2012-10-17", "Statement": [open_to_all]})
    )
    values["media_s3_bucket"] = "open"
    finding = check_media_store(Settings(data_dir=tmp_path, **values))
    assert finding.level == "fail"
    assert "anybody can read" in finding.detail
    assert keys(values) == []


def test_converters_are_named_with_their_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = check_converters()
    assert finding.level == "ok", finding
    for name in ("PyAV", "FFmpeg", "Pillow"):
        assert name in finding.detail
    monkeypatch.setattr(doctor_media, "_encodes", lambda name: name != "libx264")
    lacking = check_converters()
    assert (lacking.level, "libx264" in lacking.detail) == ("fail", True)
