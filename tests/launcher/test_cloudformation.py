"""The CloudFormation template: without a fault, with the documented permissions, and applied to an AWS in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from cfnlint.api import lint_all  # type: ignore[import-untyped]
from moto import mock_aws
from moto.core.common_models import CloudFormationModel
from moto.iam.models import iam_backends

from grapeshot_launcher.cloud.policy import policy_text

ACCOUNT = "123456789012"
INFRA = Path(__file__).parents[2] / "infra"
TEMPLATE = (INFRA / "cloudformation.yml").read_text()
REPOSITORY = {"GitHubOrganization": "acme", "GitHubRepository": "shop"}
IDS = {"GitHubOrganizationId": "11", "GitHubRepositoryId": "22"}
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as the text or the list behind them."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    match node:
        case yaml.ScalarNode():
            return loader.construct_scalar(node)
        case yaml.SequenceNode():
            return [f"!{suffix}", *loader.construct_sequence(node, deep=True)]
        case _:
            raise AssertionError(node)


_Loader.add_multi_constructor("!", _short_form)


def statements(may: set[str]) -> list[dict[str, Any]]:
    """The template's permissions, for the account and the default prefix."""
    text = TEMPLATE.replace("${AWS::Partition}", "aws").replace("${AWS::AccountId}", ACCOUNT)
    resources = yaml.load(text.replace("${Prefix}", "artilleryio"), _Loader)["Resources"]
    found = resources["LoadTestPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    return list(_chosen(found, may))


def _chosen(found: list[Any], may: set[str]) -> Iterator[dict[str, Any]]:
    for statement in found:
        if isinstance(statement, dict):
            yield statement
        elif statement[1] in may:
            yield statement[2]


@pytest.mark.parametrize("publish", [False, True])
@pytest.mark.parametrize("extras", [False, True])
def test_the_template_grants_what_the_command_prints(publish: bool, extras: bool) -> None:
    """`grapeshot iam policy`, with its two flags."""
    may = ({"MayPublish"} if publish else set()) | ({"MayUseExtras"} if extras else set())
    printed = json.loads(policy_text(account=ACCOUNT, publish=publish, extras=extras))

    assert statements(may) == printed["Statement"]


def test_cfn_lint_has_nothing_to_say() -> None:
    """No error and no warning; what it remarks beside them are hints."""
    said = [fault for fault in lint_all(TEMPLATE) if not fault.rule.id.startswith("I")]

    assert [str(fault) for fault in said] == []


# Applied; moto knows all of the template but identity providers.


class OidcProvider(CloudFormationModel):
    """AWS::IAM::OIDCProvider for moto's CloudFormation, on moto's IAM."""

    __module__ = "moto.iam.models"  # moto files its models by this

    def __init__(self, arn: str) -> None:
        self.arn = arn

    @property
    def physical_resource_id(self) -> str:
        return self.arn

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::IAM::OIDCProvider"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.arn

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> OidcProvider:
        properties = cloudformation_json["Properties"]
        backend = iam_backends[account_id]["aws"]
        made = backend.create_open_id_connect_provider(properties["Url"], [], properties["ClientIdList"], [])
        return cls(made.arn)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield


def apply(**parameters: str) -> dict[str, Any]:
    """Create the stack and give the role it made."""
    boto3.client("cloudformation").create_stack(
        StackName="grapeshot",
        TemplateBody=TEMPLATE,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    role: dict[str, Any] = dict(boto3.client("iam").get_role(RoleName="GrapeshotLoadTests")["Role"])
    return role


def trusted(**parameters: str) -> dict[str, Any]:
    """Create the stack and give its trust statements by their names."""
    role = apply(**parameters)
    return {s["Sid"]: s for s in _there(role["AssumeRolePolicyDocument"]["Statement"])}


def _there(values: list[Any]) -> list[Any]:
    """Drop what AWS::NoValue took away: CloudFormation drops it, moto leaves a None in its place."""
    return [value for value in values if value is not None]


def subjects(**parameters: str) -> list[str]:
    condition = trusted(**REPOSITORY, **parameters)["GitHubWorkflows"]["Condition"]
    found = condition["StringLike"]["token.actions.githubusercontent.com:sub"]
    return [found] if isinstance(found, str) else _there(found)


def test_the_stack_makes_a_role_with_the_permissions(aws: None) -> None:
    """The policy is attached; the session lasts longer than a test."""
    role = apply()
    iam = boto3.client("iam")
    (attached,) = iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    version = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId="v1")
    printed = policy_text(account=ACCOUNT, publish=True, extras=True)

    assert version["PolicyVersion"]["Document"] == json.loads(printed)
    assert role["MaxSessionDuration"] == 14400


def test_by_default_the_account_is_trusted(aws: None) -> None:
    """As with the reference's template."""
    trust = trusted()

    assert list(trust) == ["WholeAccount"]
    assert trust["WholeAccount"]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest.mark.parametrize(
    ("parameters", "principal"),
    [
        ({"User": "ann"}, f"arn:aws:iam::{ACCOUNT}:user/ann"),
        ({"User": "arn:aws:iam::999999999999:user/bob"}, "arn:aws:iam::999999999999:user/bob"),
        ({"Role": "ci"}, f"arn:aws:iam::{ACCOUNT}:role/ci"),
    ],
)
def test_one_user_or_role_can_be_trusted(aws: None, parameters: dict[str, str], principal: str) -> None:
    """By name or ARN; then nobody else is."""
    trust = trusted(**parameters)

    assert [statement["Principal"]["AWS"] for statement in trust.values()] == [principal]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["repo:acme/shop:ref:refs/heads/main"]),
        ({"GitHubBranch": "", "GitHubTag": "v*"}, ["repo:acme/shop:ref:refs/tags/v*"]),
        ({"GitHubBranch": "", "GitHubPullRequests": "yes"}, ["repo:acme/shop:pull_request"]),
        ({"GitHubBranch": "", "GitHubEnvironment": "load"}, ["repo:acme/shop:environment:load"]),
        ({"SubjectFormat": "immutable", **IDS}, ["repo:acme@11/shop@22:ref:refs/heads/main"]),
        (
            {"SubjectFormat": "both", "GitHubEnvironment": "load", **IDS},
            [
                "repo:acme/shop:ref:refs/heads/main",
                "repo:acme/shop:environment:load",
                "repo:acme@11/shop@22:ref:refs/heads/main",
                "repo:acme@11/shop@22:environment:load",
            ],
        ),
        (
            {"SubjectFormat": "immutable", "GitHubTag": "v*", "GitHubPullRequests": "yes", **IDS},
            [
                "repo:acme@11/shop@22:ref:refs/heads/main",
                "repo:acme@11/shop@22:ref:refs/tags/v*",
                "repo:acme@11/shop@22:pull_request",
            ],
        ),
    ],
)
def test_github_workflows_are_trusted_as_they_name_themselves(
    aws: None, parameters: dict[str, str], expected: list[str]
) -> None:
    """Branch, tag, pull requests, environment; by names, by ids, or both."""
    assert subjects(**parameters) == expected


def test_github_s_provider_is_made_for_the_audience_of_aws(aws: None) -> None:
    """And the role trusts no other audience, nor the account."""
    trust = trusted(**REPOSITORY)
    audience = "token.actions.githubusercontent.com:aud"
    provider = boto3.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER)

    assert list(trust) == ["GitHubWorkflows"]
    assert trust["GitHubWorkflows"]["Principal"] == {"Federated": PROVIDER}
    assert trust["GitHubWorkflows"]["Condition"]["StringEquals"] == {audience: "sts.amazonaws.com"}
    assert provider["ClientIDList"] == ["sts.amazonaws.com"]


def test_a_provider_that_exists_is_used(aws: None) -> None:
    """An account has only one."""
    trust = trusted(**REPOSITORY, CreateOidcProvider="no")

    assert trust["GitHubWorkflows"]["Principal"] == {"Federated": PROVIDER}
    assert boto3.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_every_parameter_is_explained() -> None:
    """In a sentence, and shown in a group."""
    template = yaml.load(TEMPLATE, _Loader)
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]

    assert sorted(shown) == sorted(template["Parameters"])
    assert all(parameter["Description"] for parameter in template["Parameters"].values())


@pytest.mark.parametrize("bad", ["acme/*", "*", "ac me"])
def test_a_repository_s_owner_is_no_pattern(bad: str) -> None:
    """A star there would let strangers in."""
    parameters = yaml.load(TEMPLATE, _Loader)["Parameters"]

    for name in ("GitHubOrganization", "GitHubRepository"):
        assert not re.fullmatch(parameters[name]["AllowedPattern"], bad)
