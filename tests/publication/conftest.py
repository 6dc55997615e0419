"""A bucket for the website, one for each module of tests, and the desk that publishes into it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from tests.publication.website_builders import BUCKET, Desk

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="module")
def s3() -> Iterator["S3Client"]:
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        s3.create_bucket(Bucket=BUCKET)
        yield s3


@pytest.fixture
def desk(s3: "S3Client") -> Desk:
    desk = Desk(s3=s3)
    desk.wipe()
    return desk
