"""From a real upload to its result, through the resources that the templates made: real models, a real worker process
with the credentials of the worker's role. Then what happens to the data when stacks are changed and deleted.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from botocore.exceptions import ClientError

from emoscribe.report import read_analysis
from emoscribe.settings import load_settings
from tests.cloudformation import (
    ACCOUNT,
    NAME,
    OIDC_PROVIDER_ARN,
    SERVICES,
    Installation,
    documented,
)
from tests.servers import small_aws
from tests.service_processes import ServiceProcess
from tests.sounds import SPEECH_DIR

CLIP = SPEECH_DIR / "pt-1.ogg"
UPLOAD_KEY = "incoming/Redação/meu vídeo+1 (á) 100%.ogg"  # everything a key has to survive
SECOND = "emoscribe-second"


@pytest.fixture(scope="module")
def worker(
    installation: Installation, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """With the models in the same process, to be ready sooner."""
    folder = tmp_path_factory.mktemp("worker")
    environment = {**installation.workload("WORKER", "worker"), "EMOSCRIBE_MODELS_DIR": str(models_dir)}
    with ServiceProcess(["serve", "--one-process"], folder, environment) as process:
        yield process


def until(found: Callable[[], Any], patience_s: float = 120.0) -> Any:
    """What it finds, as soon as it finds something."""
    give_up_s = time.monotonic() + patience_s
    while time.monotonic() < give_up_s:
        if result := found():
            return result
        time.sleep(0.2)
    raise AssertionError("It did not happen in time.")


def keys_under(installation: Installation, prefix: str, bucket: str | None = None) -> list[str]:
    answer = installation.client("s3").list_objects_v2(Bucket=bucket or installation.bucket, Prefix=prefix)
    return [one["Key"] for one in answer.get("Contents", [])]


def results_of(installation: Installation, key: str) -> list[str]:
    """Keys of the published results; the analysis is published last."""
    found = keys_under(installation, f"emoscribe/results/default/{key}/")
    return found if any(one.endswith("/analysis.json") for one in found) else []


def is_drained(installation: Installation) -> bool:
    attributes = installation.client("sqs").get_queue_attributes(
        QueueUrl=installation.settings["EMOSCRIBE_JOBS_QUEUE_URL"], AttributeNames=["All"]
    )["Attributes"]
    return {attributes[f"ApproximateNumberOfMessages{hidden}"] for hidden in ("", "NotVisible", "Delayed")} == {"0"}


# --- uploads --------------------------------------------------------------------------------------


@pytest.mark.models
def test_the_commands_of_the_docs_find_the_result_of_an_upload(
    installation: Installation, worker: ServiceProcess
) -> None:
    said = installation.shell(*documented("Try it"), RECORDING=str(CLIP))
    assert re.search(r"^0\n.* analysis.json$", said, re.MULTILINE), said
    analysis = read_analysis((installation.folder / "analysis.json").read_bytes())
    assert analysis.segments
    assert analysis.language.language == "pt"
    assert all(segment.emotion for segment in analysis.segments)


@pytest.mark.models
def test_a_key_with_spaces_accents_and_plus_arrives_as_it_is(
    installation: Installation, worker: ServiceProcess
) -> None:
    installation.client("s3").upload_file(str(CLIP), installation.bucket, UPLOAD_KEY)
    found = until(lambda: results_of(installation, UPLOAD_KEY))
    assert {key.rpartition("/")[2] for key in found} == {"analysis.json"}
    body = installation.client("s3").get_object(Bucket=installation.bucket, Key=found[0])["Body"].read()
    assert read_analysis(body).source.name == UPLOAD_KEY


@pytest.mark.models
def test_a_poison_upload_ends_in_the_dead_letter_queue_with_its_reason(
    installation: Installation, worker: ServiceProcess
) -> None:
    key = "incoming/poison+1.mp4"
    installation.client("s3").put_object(Bucket=installation.bucket, Key=key, Body=b"no recording" * 1000)
    letters, sqs = installation.settings["EMOSCRIBE_JOBS_DEAD_LETTER_URL"], installation.client("sqs")
    asked = {"QueueUrl": letters, "WaitTimeSeconds": 10, "MessageAttributeNames": ["reason"]}
    [letter] = until(lambda: sqs.receive_message(**asked).get("Messages"))
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("unsupported_media: ")
    sqs.delete_message(QueueUrl=letters, ReceiptHandle=letter["ReceiptHandle"])
    assert json.loads(letter["Body"])["retry"] is True
    until(lambda: is_drained(installation))
    assert results_of(installation, key) == []


@pytest.mark.models
def test_an_event_that_comes_again_changes_nothing(installation: Installation, worker: ServiceProcess) -> None:
    key, s3 = "incoming/twice.ogg", installation.client("s3")
    s3.upload_file(str(CLIP), installation.bucket, key)
    until(lambda: results_of(installation, key) and is_drained(installation))
    before = everything(installation)
    uploaded = s3.head_object(Bucket=installation.bucket, Key=key)
    described = {
        "key": quote_plus(key, safe="/"),
        "size": uploaded["ContentLength"],
        "eTag": uploaded["ETag"].strip('"'),
        "versionId": uploaded["VersionId"],
    }
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": installation.bucket}, "object": described},
    }
    queue = installation.settings["EMOSCRIBE_JOBS_QUEUE_URL"]
    for _ in range(3):
        installation.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"Records": [record]}))
    until(lambda: is_drained(installation))
    assert everything(installation) == before


def everything(installation: Installation) -> dict[str, str]:
    """Every object and its version."""
    pages = installation.client("s3").get_paginator("list_object_versions").paginate(Bucket=installation.bucket)
    return {one["Key"]: one["VersionId"] for page in pages for one in page.get("Versions", []) if one.get("IsLatest")}


def test_the_settings_are_complete(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in installation.settings.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.jobs_bucket, settings.aws_region) == (f"{NAME}-210987654321-eu-west-1", "eu-west-1")
    assert settings.s3_uploads == f"s3://{settings.jobs_bucket}/incoming/"
    assert settings.models_mirror_url == f"s3://{settings.jobs_bucket}/models/"
    for url in (settings.jobs_queue_url, settings.jobs_dead_letter_url):
        assert installation.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])


def test_only_the_bucket_s_notifications_get_into_the_queue(installation: Installation) -> None:
    """The simulator asks the queue's policy before it takes a notification, as SQS does."""
    s3, queue = installation.client("s3"), installation.settings["EMOSCRIBE_JOBS_QUEUE_URL"]
    sqs = installation.client("sqs")
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket="another", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    configuration = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    with pytest.raises(ClientError, match="Unable to validate"):
        s3.put_bucket_notification_configuration(Bucket="another", NotificationConfiguration=configuration)


def test_over_an_unencrypted_connection_nothing_is_had(installation: Installation, tmp_path: Path) -> None:
    """The deployed policies, on a server without TLS, against somebody who else may do anything."""
    policy = installation.client("s3").get_bucket_policy(Bucket=installation.bucket)["Policy"]
    with small_aws(SERVICES, ACCOUNT, is_encrypted=False) as server:
        plain = Installation(server, tmp_path)
        s3, queues = plain.client("s3"), plain.client("sqs")
        s3.create_bucket(Bucket=installation.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        visitor = plain.user_who_may("s3:*", "sqs:*")
        plain.client("s3", visitor).put_object(Bucket=installation.bucket, Key="emoscribe/x", Body=b"x")
        s3.put_bucket_policy(Bucket=installation.bucket, Policy=policy)
        with pytest.raises(ClientError, match=r"AccessDenied.*explicit deny"):
            plain.client("s3", visitor).get_object(Bucket=installation.bucket, Key="emoscribe/x")
        for queue in ("JOBS_QUEUE", "JOBS_DEAD_LETTER"):
            deployed = installation.settings[f"EMOSCRIBE_{queue}_URL"]
            attributes = installation.client("sqs").get_queue_attributes(QueueUrl=deployed, AttributeNames=["Policy"])
            url = queues.create_queue(QueueName=deployed.rpartition("/")[2])["QueueUrl"]
            plain.client("sqs", visitor).send_message(QueueUrl=url, MessageBody="{}")
            queues.set_queue_attributes(QueueUrl=url, Attributes=attributes["Attributes"])
            with pytest.raises(ClientError, match=r"AccessDenied.*explicit deny"):
                plain.client("sqs", visitor).send_message(QueueUrl=url, MessageBody="{}")


# --- stacks that change, and end ------------------------------------------------------------------


@pytest.fixture(scope="module")
def second(installation: Installation) -> str:
    """The bucket of another installation in the same account, with something in it."""
    installation.deploy("storage", SECOND, Name=SECOND)
    bucket = f"{SECOND}-210987654321-eu-west-1"
    installation.client("s3").put_object(Bucket=bucket, Key="emoscribe/results/kept", Body=b"kept")
    return bucket


def resources(installation: Installation, stack: str = "storage") -> dict[str, str]:
    """Physical names by those in the template."""
    answer = installation.client("cloudformation").describe_stack_resources(StackName=f"{SECOND}-{stack}")
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in answer["StackResources"]}


def test_a_changed_parameter_replaces_nothing(installation: Installation, second: str) -> None:
    before = resources(installation)
    installation.deploy("storage", SECOND, FormerVersionDays="30", MaxReceiveCount="50", UploadDays="90")
    assert resources(installation) == before
    assert keys_under(installation, "emoscribe/", second) == ["emoscribe/results/kept"]
    attributes = installation.client("sqs").get_queue_attributes(
        QueueUrl=before["JobsQueue"], AttributeNames=["RedrivePolicy", "VisibilityTimeout", "MessageRetentionPeriod"]
    )["Attributes"]
    assert str(json.loads(attributes["RedrivePolicy"])["maxReceiveCount"]) == "50"
    assert (attributes["VisibilityTimeout"], attributes["MessageRetentionPeriod"]) == ("60", "1209600")


def test_another_account_uploads_where_it_may(installation: Installation, second: str) -> None:
    installation.deploy("storage", SECOND, UploaderArns="arn:aws:iam::111122223333:root")
    other = installation.s3_of_account("111122223333")
    other.put_object(Bucket=second, Key="incoming/from-elsewhere.mp4", Body=b"x")
    for operation, options in (
        ("put_object", {"Key": "emoscribe/state/x", "Body": b"x"}),
        ("get_object", {"Key": "incoming/from-elsewhere.mp4"}),
        ("delete_object", {"Key": "incoming/from-elsewhere.mp4"}),
        ("list_objects_v2", {}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(other, operation)(Bucket=second, **options)


def test_recordings_of_other_buckets_are_read_where_they_are_named(installation: Installation, second: str) -> None:
    s3 = installation.client("s3")
    s3.create_bucket(Bucket="newsroom", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for key in ("in/talk.mp4", "private/talk.mp4"):
        s3.put_object(Bucket="newsroom", Key=key, Body=b"x")
    installation.deploy(
        "roles",
        SECOND,
        Name=SECOND,
        StorageStack=f"{SECOND}-storage",
        OidcProviderArn=OIDC_PROVIDER_ARN,
        SourceArns="arn:aws:s3:::newsroom/in/*",
    )
    roles = resources(installation, "roles")
    for logical_name, service_account in (("ApiRole", "api"), ("WorkerRole", "worker")):
        role = {"AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/{roles[logical_name]}"}
        workload = {**installation.workload("API", service_account), **role}
        reader = installation.client("s3", workload)
        assert reader.get_object(Bucket="newsroom", Key="in/talk.mp4")["Body"].read() == b"x"
        for refused in ({"Bucket": "newsroom", "Key": "private/talk.mp4"}, {"Bucket": second, "Key": "models/x"}):
            with pytest.raises(ClientError, match="AccessDenied"):
                reader.get_object(**refused)


def test_what_is_replaced_is_kept_all_the_same(installation: Installation, second: str) -> None:
    installation.deploy("storage", SECOND, Name="emoscribe-third")
    renamed = resources(installation)["Bucket"]
    assert renamed == "emoscribe-third-210987654321-eu-west-1"
    assert keys_under(installation, "", renamed) == []
    assert keys_under(installation, "emoscribe/", second) == ["emoscribe/results/kept"]
    installation.client("s3").put_object(Bucket=renamed, Key="emoscribe/results/new", Body=b"kept, too")


def test_deleting_the_stack_keeps_the_data(installation: Installation, second: str) -> None:
    kept = resources(installation)
    refused = "aws cloudformation delete-stack --stack-name $NAME-storage 2>&1 || true"
    assert "TerminationProtection" in installation.shell(refused)
    installation.shell(*documented("Take it down"), NAME=SECOND)
    assert keys_under(installation, "emoscribe/", second) == ["emoscribe/results/kept"]
    assert keys_under(installation, "emoscribe/", kept["Bucket"]) == ["emoscribe/results/new"]
    for queue in ("JobsQueue", "DeadLetterQueue"):
        installation.client("sqs").get_queue_attributes(QueueUrl=kept[queue], AttributeNames=["QueueArn"])
    with pytest.raises(ClientError, match="does not exist"):
        installation.client("cloudformation").describe_stacks(StackName=f"{SECOND}-storage")
