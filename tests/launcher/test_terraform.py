"""The Terraform module: with the documented permissions, and applied to an AWS on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from grapeshot_launcher.cloud.policy import policy_text

ACCOUNT = "123456789012"
MODULE = Path(__file__).parents[2] / "infra" / "terraform"
PROVIDER = "registry.terraform.io/hashicorp/aws"


@pytest.mark.parametrize("more", [(), ("publish",), ("extras",), ("publish", "extras")])
def test_the_module_grants_what_the_command_prints(more: tuple[str, ...]) -> None:
    """`grapeshot iam policy`, with its two flags."""
    names = {"partition": "aws", "account": ACCOUNT, "prefix": "artilleryio"}
    texts = [(MODULE / f"{name}.json.tftpl").read_text() for name in ("run", *more)]
    statements = [s for text in texts for s in json.loads(Template(text).substitute(names))["Statement"]]
    printed = policy_text(account=ACCOUNT, publish="publish" in more, extras="extras" in more)

    assert statements == json.loads(printed)["Statement"]


# Applied, where there is a terraform and the AWS provider on disk: a test downloads neither.


def provider_mirror() -> Path | None:
    """Where the AWS provider lies: in the folders that Terraform looks into, or in one below /opt."""
    places = [
        Path.home() / ".terraform.d" / "plugins",
        Path("/usr/local/share/terraform/plugins"),
        Path("/usr/share/terraform/plugins"),
        *sorted(Path("/opt").glob("*")),
    ]
    return next((place for place in places if (place / PROVIDER).is_dir()), None)


ROOT = """
provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "testing"
  secret_key                  = "testing"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  endpoints {
    iam = "$url"
    sts = "$url"
  }
}

module "by_default" {
  source    = "$module"
  role_name = "ByDefault"
}

module "from_github" {
  source        = "$module"
  role_name     = "FromGitHub"
  prefix        = "acme"
  allow_publish = false
  allow_extras  = false
  principals    = ["arn:aws:iam::123456789012:root"]
  github = {
    organization    = "acme"
    repository      = "shop"
    tags            = ["v*"]
    pull_requests   = true
    environments    = ["load"]
    subject_format  = "both"
    organization_id = 11
    repository_id   = 22
  }
}

output "role" {
  value = module.from_github.role_arn
}
"""


pytestmark = pytest.mark.timeout(180)  # Terraform starts its provider, of half a gigabyte, several times


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Apply the module twice, with its defaults and for GitHub, and give IAM as it is then."""
    terraform, mirror = shutil.which("terraform"), provider_mirror()
    if terraform is None or mirror is None:
        pytest.skip(f"needs terraform ({terraform}) and its AWS provider on disk ({mirror})")
    folder = tmp_path_factory.mktemp("terraform")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()  # other tests use its memory too
        (folder / "main.tf").write_text(Template(ROOT).substitute(url=url, module=MODULE))
        for command in (
            ["init", f"-plugin-dir={mirror}"],
            ["apply", "-auto-approve"],
        ):
            environ = {"TF_IN_AUTOMATION": "1", "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}
            done = subprocess.run(
                [terraform, *command, "-no-color"],
                cwd=folder,
                env=environ,
                capture_output=True,
                text=True,
                timeout=50,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        session = boto3.session.Session("testing", "testing", region_name="eu-west-1")
        yield session.client("iam", endpoint_url=url)
    finally:
        server.stop()


def policy_of(iam: Any, role: str) -> Any:
    (attached,) = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    version = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId="v1")
    return version["PolicyVersion"]["Document"]


def trust_of(iam: Any, role: str) -> dict[str, Any]:
    found = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    return {s["Sid"]: s for s in (found if isinstance(found, list) else [found])}


def test_the_applied_role_has_the_permissions(applied: Any) -> None:
    """All of them by default, and those of a run alone where nothing more is allowed."""
    everything = policy_text(account=ACCOUNT, publish=True, extras=True)

    assert policy_of(applied, "ByDefault") == json.loads(everything)
    assert policy_of(applied, "FromGitHub") == json.loads(policy_text(account=ACCOUNT, prefix="acme"))


def test_the_applied_role_trusts_the_account_by_default(applied: Any) -> None:
    """And nobody else."""
    trust = trust_of(applied, "ByDefault")

    assert list(trust) == ["WholeAccount"]
    assert trust["WholeAccount"]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def test_the_applied_role_trusts_github_workflows(applied: Any) -> None:
    """By both forms of their names, and by the provider that was made."""
    trust = trust_of(applied, "FromGitHub")
    issuer = "token.actions.githubusercontent.com"
    condition = trust["GitHubWorkflows"]["Condition"]

    assert condition["StringEquals"] == {f"{issuer}:aud": "sts.amazonaws.com"}
    assert set(condition["StringLike"][f"{issuer}:sub"]) == {
        f"repo:{repository}:{context}"
        for repository in ("acme/shop", "acme@11/shop@22")
        for context in ("ref:refs/heads/main", "ref:refs/tags/v*", "pull_request", "environment:load")
    }
    arns = [p["Arn"] for p in applied.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    assert arns == [f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"]
    assert trust["GitHubWorkflows"]["Principal"] == {"Federated": arns[0]}
