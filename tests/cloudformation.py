"""EmoScribe's AWS resources in a small AWS on loopback, made from the templates as they are by the docs' commands.

Signatures, IAM policies, bucket and queue policies are enforced, and everything goes over TLS. Workloads get their
credentials as they do in Kubernetes: a token of the cluster's issuer is exchanged for those of a role.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3

from tests.conftest import ROOT
from tests.servers import EncryptedServer, installed, small_aws

ACCOUNT: Final = "210987654321"
REGION: Final = "eu-west-1"
NAME: Final = "emoscribe-test"
ISSUER: Final = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
OIDC_PROVIDER_ARN: Final = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
SERVICES: Final = ("s3", "sqs", "cloudformation", "iam", "sts", "sns", "monitoring", "ecr")
AWS_CLI: Final = "awscli==1.46.3"
OVERLAY: Final = Path("infra/kubernetes/overlays/aws")

# It waits 30 s before it looks at a stack for the second time; the stack is there after one. For SQS it overlooks
# AWS_ENDPOINT_URL.
_IMPATIENT_CLI: Final = """\
import os, sys, time
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.2))
sys.argv += ["--endpoint-url", os.environ["AWS_ENDPOINT_URL"]]
from awscli.clidriver import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Installation:
    """A small AWS with everything deployed; `folder` looks like a checkout, with the files that were written for it."""

    server: EncryptedServer
    folder: Path
    session: Any = field(default_factory=lambda: boto3.session.Session(region_name=REGION))
    clients: dict[tuple[object, ...], Any] = field(default_factory=dict)
    credentials: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """What aws.env and roles.env say."""
        texts = [(self.folder / OVERLAY / f"{name}.env").read_text(encoding="utf-8") for name in ("aws", "roles")]
        return dict(line.split("=", 1) for text in texts for line in text.splitlines())

    @property
    def bucket(self) -> str:
        return self.settings["EMOSCRIBE_JOBS_BUCKET"]

    @property
    def operator(self) -> dict[str, str]:
        """Environment of somebody who may do anything in the account."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CA_BUNDLE": str(self.server.authority),
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def workload(
        self, role: str, service_account: str, namespace: str = "emoscribe", audience: str = "sts.amazonaws.com"
    ) -> dict[str, str]:
        """Environment of a pod: as EKS injects it for a service account, and the settings. `role`: API, WORKER, ..."""
        token = self.folder / f"token-{namespace}-{service_account}-{audience}"
        subject = f"system:serviceaccount:{namespace}:{service_account}"
        token.write_text(_token(subject, audience), encoding="utf-8")
        settings = self.settings
        return {
            **{name: value for name, value in settings.items() if not name.endswith("_ROLE_ARN")},
            "AWS_ROLE_ARN": settings[f"EMOSCRIBE_{role}_ROLE_ARN"],
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_CA_BUNDLE": str(self.server.authority),
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def shell(self, commands: str, **variables: str) -> str:
        """Run commands of the docs as the operator; returns what they print."""
        environment = {
            **os.environ,
            **self.operator,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "NAME": NAME,
            **variables,
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def deploy(self, stack: str, name: str, **parameters: str) -> None:
        """Make or change one stack of an installation; parameters that are not given stay as they are."""
        overrides = " ".join(f"{parameter}={value}" for parameter, value in parameters.items())
        time.sleep(1)  # the command line names a change after the second, which is taken by one made just before
        self.shell(
            f"aws cloudformation deploy --stack-name $NAME-{stack} --template-file infra/aws/{stack}.yaml "
            f"--capabilities CAPABILITY_IAM --parameter-overrides {overrides}",
            NAME=name,
        )

    def client(self, service: str, environment: Mapping[str, str] | None = None) -> Any:
        """A boto3 client with the credentials of a workload or a user, else the operator's."""
        if environment is None:
            return self._client(service, ("test", "test", None))
        if "AWS_ACCESS_KEY_ID" in environment:
            return self._client(service, (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], None))
        given = self.assume(environment)
        return self._client(service, (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]))

    def s3_of_account(self, account: str) -> Any:
        """S3 for somebody who may do anything in another account."""
        return self._client("s3", (account, "test", None))

    def user_who_may(self, *actions: str) -> dict[str, str]:
        """Environment of a new user of the account."""
        iam = self.client("iam")
        policy = {"Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}}
        iam.create_user(UserName="visitor")
        iam.put_user_policy(UserName="visitor", PolicyName="all", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="visitor")["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def _client(self, service: str, keys: tuple[str, str, str | None]) -> Any:
        """Kept, as it takes a while to make one."""
        if (service, keys) not in self.clients:
            key, secret, token = keys
            self.clients[service, keys] = self.session.client(
                service,
                endpoint_url=self.server.url,
                verify=str(self.server.authority),
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                aws_session_token=token,
            )
        return self.clients[service, keys]

    def assume(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What STS gives a pod for its token. Raises ClientError if the role's trust does not hold."""
        asked = (environment["AWS_ROLE_ARN"], environment["AWS_WEB_IDENTITY_TOKEN_FILE"])
        if asked not in self.credentials:
            answer = self.client("sts").assume_role_with_web_identity(
                RoleArn=asked[0], RoleSessionName="test", WebIdentityToken=Path(asked[1]).read_text(encoding="utf-8")
            )
            self.credentials[asked] = dict(answer["Credentials"])
        return self.credentials[asked]


@contextmanager
def installed_on_aws(folder: Path) -> Iterator[Installation]:
    """Everything deployed, by the commands of the docs."""
    (folder / OVERLAY).mkdir(parents=True)
    (folder / "infra/aws").symlink_to(ROOT / "infra/aws", target_is_directory=True)
    _write_cli(folder / "bin")
    with small_aws(SERVICES, ACCOUNT) as server:
        installation = Installation(server, folder)
        for commands in documented("Deploy"):
            installation.shell(commands, OIDC_PROVIDER_ARN=OIDC_PROVIDER_ARN, EMAIL="operator@example.org")
        yield installation


def documented(heading: str) -> list[str]:
    """The blocks of commands under a heading of docs/aws.md."""
    text = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert found, f"docs/aws.md has no commands under {heading}"
    return found


def _write_cli(folder: Path) -> None:
    """`aws`, for `shell`."""
    folder.mkdir()
    (folder / "aws.py").write_text(_IMPATIENT_CLI, encoding="utf-8")
    command = folder / "aws"
    python = installed(AWS_CLI) / "bin" / "python"
    command.write_text(f'#!/bin/sh\nexec {python} {folder / "aws.py"} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    assert shutil.which("aws", path=str(folder))


def _token(subject: str, audience: str) -> str:
    """As the cluster's issuer would write it. The simulator reads the claims and does not check the signature."""

    def part(content: Mapping[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    claims = {"iss": f"https://{ISSUER}", "sub": subject, "aud": audience}
    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims)}.unsigned"
