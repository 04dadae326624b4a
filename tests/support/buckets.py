"""A bucket for tests: an S3 service in this process, and settings that keep files in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from moto.moto_server.threaded_moto_server import ThreadedMotoServer


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The address of an S3 service with the bucket `files`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    ).create_bucket(Bucket="files")
    yield address
    server.stop()


def s3_values(address: str) -> dict[str, Any]:
    """Return settings that keep files in the bucket, beneath a prefix of their own."""
    return {
        "media_store": "s3",
        "media_s3_bucket": "files",
        "media_s3_endpoint": address,
        "media_s3_region": "us-east-1",
        "media_s3_access_key": "a",
        "media_s3_secret_key": "b",
        "media_s3_prefix": uuid.uuid4().hex,
    }
