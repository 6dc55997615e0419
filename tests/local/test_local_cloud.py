import os
from email.message import EmailMessage
from pathlib import Path

import boto3
import pytest

from chalicelib.core.settings import from_environment
from infra.local.cloud import Cloud
from tests.local.tiny import Seen, chain, task, tiny_app, tiny_files

PASS = chain(A={"Type": "Pass"})


def send(sender: str, to: str, subject: str, text: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    boto3.client("sesv2").send_email(
        FromEmailAddress=sender,
        Destination={"ToAddresses": [to]},
        Content={"Raw": {"Data": message.as_bytes()}},
    )


def test_environment_holds_every_setting_and_none_is_put_into_the_process(seen: Seen, tmp_path: Path) -> None:
    before = {name for name in os.environ if not name.startswith("AWS_")}
    files = tiny_files(tmp_path, review=PASS, publication=PASS)
    with Cloud(app=tiny_app(seen), files=files, wait_scale=60) as cloud:
        settings = from_environment(cloud.environment)
        assert {name for name in os.environ if not name.startswith("AWS_")} == before
    assert settings.table_name == "imprimatur-records"
    assert settings.publication_machine_arn.endswith(":imprimatur-publication")
    assert settings.scale == 60


def test_clouds_leave_nothing_behind(seen: Seen, tmp_path: Path) -> None:
    files = tiny_files(tmp_path, review=chain(A=task("Ask", token=True, TimeoutSeconds=86_400)))
    for _ in range(2):
        with Cloud(app=tiny_app(seen), files=files) as cloud:
            assert cloud.executions() == []
            assert cloud.mails() == []
            boto3.client("stepfunctions").start_execution(
                stateMachineArn=cloud.environment["REVIEW_MACHINE_ARN"], name="one", input="{}"
            )
            send(cloud.environment["MAIL_FROM"], "li@example.cn", "x", "x")
            cloud.settle()
    assert len(seen.of("ask")) == 2


def test_cloud_that_cannot_be_built_leaves_no_mock_behind(seen: Seen, tmp_path: Path) -> None:
    files = tiny_files(tmp_path, review=chain(A=task("Triple")))
    session = boto3.DEFAULT_SESSION
    with pytest.raises(Exception, match="TripleFunction"), Cloud(app=tiny_app(seen), files=files):
        pass
    assert boto3.DEFAULT_SESSION is session


def test_mails_are_read_back_newest_first_with_their_links(cloud: Cloud) -> None:
    sender = cloud.environment["MAIL_FROM"]
    send(sender, "li@example.cn", "登录", "请打开 https://desk.test/s#abc_1-2 登录。")
    send(
        sender,
        "王 <wang@example.cn>",
        "请审核：𠮷野家",
        "https://desk.test/r#1\nhttps://desk.test/r#1 (https://x.test/)",
    )
    newest, oldest = cloud.mails()
    assert (newest.to, newest.subject) == ("wang@example.cn", "请审核：𠮷野家")
    assert newest.links == ("https://desk.test/r#1", "https://x.test/")
    assert (oldest.to, oldest.links) == ("li@example.cn", ("https://desk.test/s#abc_1-2",))
    assert oldest.text.strip() == "请打开 https://desk.test/s#abc_1-2 登录。"
    assert oldest.html.strip() == "<p>请打开 https://desk.test/s#abc_1-2 登录。</p>"
