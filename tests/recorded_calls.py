"""Which IAM actions stand behind the calls of boto3 clients, and what a role's policy allows: for comparing both.

The table of operations is AWS's "Actions, resources, and condition keys for Amazon S3", as far as EmoScribe calls them.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

import boto3

from tests.cloudformation import Installation

Grant = tuple[str, str]  # an action, and the place it is for

S3_ACTIONS: Final[Mapping[str, str]] = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}
OTHER_CREDENTIALS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@dataclass
class Calls:
    """What the clients of one workload have called."""

    places: "Places"
    granted: set[Grant] = field(default_factory=set)
    clients: list[Any] = field(default_factory=list)

    def watch(self, client: Any) -> Any:
        """Have it tell of its calls."""
        client.meta.events.register("before-parameter-build", self._note)
        self.clients.append(client)
        return client

    def client(self, service: str) -> Any:
        """The first that was made for the service."""
        return next(one for one in self.clients if one.meta.service_model.service_name == service)

    def _note(self, params: Mapping[str, Any], model: Any, **_: object) -> None:
        service, operation = model.service_model.service_name, str(model.name)
        if service == "sts":
            return
        if service == "sqs":
            self.granted.add((f"sqs:{operation}", self.places.queues[params["QueueUrl"]]))
        elif operation == "DeleteObjects":
            for one in params["Delete"]["Objects"]:
                action = "s3:DeleteObjectVersion" if one.get("VersionId") else "s3:DeleteObject"
                self.granted.add((action, self.places.of_key(one["Key"])))
        else:
            suffix = "Version" if params.get("VersionId") else ""
            place = self.places.of_key(params["Key"]) if "Key" in params else "bucket"
            self.granted.add((S3_ACTIONS[operation] + suffix, place))


@dataclass(frozen=True)
class Places:
    """The parts of the bucket that are told apart, and the queues."""

    bucket_arn: str
    prefixes: Mapping[str, str]  # prefix to place
    queues: Mapping[str, str]  # address to place
    queue_arns: Mapping[str, str]  # the same by ARN

    @classmethod
    def of(cls, installation: Installation) -> "Places":
        settings, sqs = installation.settings, installation.client("sqs")
        queues = {
            settings["EMOSCRIBE_JOBS_QUEUE_URL"]: "queue",
            settings["EMOSCRIBE_JOBS_DEAD_LETTER_URL"]: "dead letters",
        }
        root = f"s3://{installation.bucket}/"
        prefixes = {
            settings["EMOSCRIBE_JOBS_PREFIX"]: "jobs",
            settings["EMOSCRIBE_S3_UPLOADS"].removeprefix(root): "uploads",
            settings["EMOSCRIBE_MODELS_MIRROR_URL"].removeprefix(root): "models",
        }
        arns = {
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]: place
            for url, place in queues.items()
        }
        return cls(f"arn:aws:s3:::{installation.bucket}", prefixes, queues, arns)

    def of_key(self, key: str) -> str:
        """Fails for a key that lies nowhere."""
        return next(place for prefix, place in self.prefixes.items() if key.startswith(prefix))

    def of_arn(self, arn: str) -> str:
        """Of a policy's resource: all of a place, or nothing we know."""
        if arn == self.bucket_arn:
            return "bucket"
        if arn in self.queue_arns:
            return self.queue_arns[arn]
        return {f"{self.bucket_arn}/{prefix}*": place for prefix, place in self.prefixes.items()}[arn]


def allowed(installation: Installation, role_arn: str, places: Places) -> set[Grant]:
    """What the deployed role's policies allow."""
    iam, name = installation.client("iam"), role_arn.rpartition("/")[2]
    found: set[Grant] = set()
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
        for statement in statements:
            assert statement["Effect"] == "Allow"
            actions, resources = (_listed(statement[part]) for part in ("Action", "Resource"))
            found |= {(action, places.of_arn(arn)) for action in actions for arn in resources}
    assert not iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    return found


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@contextmanager
def acting_as(environment: Mapping[str, str], calls: Calls) -> Iterator[None]:
    """In this process everything is done with the credentials of a workload; clients made meanwhile are watched."""
    make = boto3.session.Session.client

    def watched(session: Any, *arguments: Any, **options: Any) -> Any:
        return calls.watch(make(session, *arguments, **options))

    with (
        patch.dict(os.environ, environment),
        patch.object(boto3, "DEFAULT_SESSION", None),
        patch.object(boto3.session.Session, "client", watched),
    ):
        for name in OTHER_CREDENTIALS:
            os.environ.pop(name, None)
        yield
