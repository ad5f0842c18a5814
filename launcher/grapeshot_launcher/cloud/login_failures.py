"""Every way in which taking on a role can fail, as a named text: when it appears, and what to change (pure).

Leaves to others: noticing it (identity, oidc, role_session), and showing it. docs/oidc.md has the same table, and a
test holds the two to each other.

AWS says on purpose very little about why it does not let somebody in. What GitHub's token says of the job is
therefore always shown: with it a person can compare.
"""

from __future__ import annotations

from dataclasses import dataclass

from grapeshot_launcher.cloud.errors import LoginFailed

LONGEST = 400  # characters of a text that somebody else wrote


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """One failure: `when` it appears, for the documentation; the rest are templates. `passing`: it may work later."""

    when: str
    message: str
    cause: str = ""
    advice: str
    snippet: str = ""
    passing: bool = False


PERMISSIONS = """permissions:
  id-token: write
  contents: read"""

TEXTS: dict[str, Text] = {
    "not-on-github": Text(
        when="A role is asked for, and this is no job of GitHub Actions.",
        message="There is no identity token: this does not run on GitHub Actions.",
        cause="A role is taken on with the token that GitHub gives a job.",
        advice="Leave the role out and use credentials of your own (AWS_PROFILE, `aws sso login`).",
    ),
    "fork-pull-request": Text(
        when="The job belongs to a pull request from a fork.",
        message="GitHub gives no identity token to a pull request from a fork.",
        cause="Its changes are somebody else's, so its jobs get neither secrets nor tokens, whatever its permissions.",
        advice="Skip the step there, and run the test once the changes are in the repository: on push, by hand "
        "(workflow_dispatch), or in an environment that asks for a review. Don't use pull_request_target to check out "
        "and run a fork's code: it would run with this repository's rights.",
        snippet="if: github.event.pull_request.head.repo.full_name == github.repository",
    ),
    "no-id-token-permission": Text(
        when="The workflow or job has no `id-token: write`.",
        message="GitHub gives this job no identity token.",
        cause="The job lacks the permission `id-token: write`. A `permissions` block takes away whatever it does not "
        "name; a job's own replaces the workflow's.",
        advice="Add it to the job or the workflow. A reusable workflow gets at most what its caller has, so the "
        "calling job needs it as well; a container or a wrapper script must pass on ACTIONS_ID_TOKEN_REQUEST_URL and "
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN.",
        snippet=PERMISSIONS,
    ),
    "identity-refused": Text(
        when="GitHub's token service answers with an error.",
        message="GitHub's token service refused to give an identity token: status {status}.",
        cause="{reason}",
        advice="Run the job again: its permission to ask ends with it. Check that the audience is a plain word or "
        "address, and https://www.githubstatus.com/.",
    ),
    "identity-unreachable": Text(
        when="GitHub's token service gives no answer, or is out of order.",
        message="No identity token from GitHub, after several attempts.",
        cause="{reason}",
        advice="Run the job again. On a runner of your own, check the network and HTTPS_PROXY; "
        "https://www.githubstatus.com/ tells about GitHub.",
        passing=True,
    ),
    "identity-unreadable": Text(
        when="What the token service sends is no identity token.",
        message="GitHub's token service sent no identity token that can be read: {reason}.",
        advice="A proxy may have answered in its place: check HTTPS_PROXY and NO_PROXY on this runner.",
    ),
    "malformed-role": Text(
        when="The role is not given as an ARN.",
        message="The role to take on is no role's ARN: {role!r}.",
        advice="Give the ARN as the IAM console shows it; the output RoleArn of infra/ is one.",
        snippet="role-to-assume: arn:aws:iam::123456789012:role/GrapeshotLoadTests",
    ),
    "wrong-partition": Text(
        when="Role and region belong to different partitions of AWS.",
        message="The role {role} can't be used in {region}: it belongs to {partition}, the region to {wanted}.",
        cause="AWS in China, GovCloud and the rest are worlds of their own, with accounts of their own.",
        advice="Use a region of the role's partition, or a role of an account there.",
    ),
    "wrong-setting": Text(
        when="Duration, session name or audience can't be used.",
        message="The role can't be taken on like this: {problem}.",
        advice="{remedy}",
    ),
    "wrong-audience": Text(
        when="AWS's identity provider does not know the token's audience.",
        message="AWS refused GitHub's token: its audience is {audience!r}, which the identity provider does not know.",
        cause="{reason}",
        advice="Ask for the audience that the provider lists, or add this one to its list. The first command shows the "
        "list, the second adds to it; the role's trust policy must name the same audience.",
        snippet="aws iam get-open-id-connect-provider --query ClientIDList \\\n"
        "  --open-id-connect-provider-arn {provider}\n"
        "aws iam add-client-id-to-open-id-connect-provider --client-id {client} \\\n"
        "  --open-id-connect-provider-arn {provider}",
    ),
    "no-provider": Text(
        when="The role's account has no identity provider for GitHub.",
        message="The AWS account {account} has no identity provider for {issuer}.",
        cause="{reason}",
        advice="Check the account in the role's ARN. If it is the right one, make the provider, once per account: with "
        "CloudFormation or Terraform (infra/ in Grapeshot's repository), or with this command.",
        snippet="aws iam create-open-id-connect-provider --url {issuer} --client-id-list {client}",
    ),
    "token-unverified": Text(
        when="AWS could not check the token's signature.",
        message="AWS could not check GitHub's token.",
        cause="{reason}",
        advice="Run the job again: AWS fetches the issuer's keys from {issuer}, which fails now and then. If it stays "
        "so, make the identity provider anew; for a GitHub server of your own, AWS must be able to reach it.",
        passing=True,
    ),
    "token-expired": Text(
        when="The token had expired when AWS saw it.",
        message="AWS refused GitHub's token: it has expired.",
        cause="{reason}",
        advice="Run the job again. The token was new and lives five minutes: if this comes back on a runner of your "
        "own, set its clock.",
    ),
    "not-trusted": Text(
        when="The role's trust policy does not fit the token, or there is no such role.",
        message="AWS does not let this job take on {role}.",
        cause="The role's trust policy does not fit the token, or there is no such role; AWS does not tell which. "
        "The token says: sub = {subject!r}, aud = {audience!r}.{hints}",
        advice="Compare the role's trust policy with the token, letter by letter. This statement fits it exactly; "
        "`*` and `?` stand for anything only under StringLike. infra/ in Grapeshot's repository makes such a role.",
    ),
    "region-disabled": Text(
        when="AWS STS is switched off in the region.",
        message="AWS STS is not active in {region} for the account {account}.",
        cause="{reason}",
        advice="Have it activated (IAM console, account settings, STS endpoints; for newer regions the region itself), "
        "or run in another region.",
    ),
    "sts-busy": Text(
        when="AWS STS throttles, or is out of order.",
        message="AWS STS in {region} was too busy to let this job take on a role, after several attempts.",
        cause="{code}: {reason}",
        advice="Run the job again in a minute.",
        passing=True,
    ),
    "sts-unreachable": Text(
        when="AWS STS gives no answer.",
        message="No answer from AWS STS in {region}.",
        cause="{reason}",
        advice="Check the name of the region, and on a runner of your own the network, HTTPS_PROXY "
        "and AWS_ENDPOINT_URL.",
        passing=True,
    ),
    "sts-refused": Text(
        when="AWS STS refuses for any other reason.",
        message="AWS STS refused to let this job take on {role}: {code}.",
        cause="{reason}",
        advice="AWS's message says why. The token says: sub = {subject!r}, aud = {audience!r}.",
    ),
    "session-ending": Text(
        when="During a run: the role's session ends in two minutes, and could not be renewed.",
        message="The role's session ends in {left:.0f} s and could not be renewed; so the run was ended.",
        cause="{reason}",
        advice="{advice} A session that outlasts the test needs no renewal: ask for a longer one, and allow it in the "
        "role (MaxSessionDuration; infra/ has a setting for it).",
    ),
    "session-ended": Text(
        when="The role's session has ended, and could not be renewed.",
        message="The role's session has ended and could not be renewed.",
        cause="{reason}",
        advice="{advice}",
    ),
}


def failure(name: str, *, code: str = "", snippet: str = "", **facts: object) -> LoginFailed:
    """Make the failure of this name; its templates' words come from `facts`, and a snippet may be given whole."""
    text = TEXTS[name]
    words = {key: one_line(fact) if isinstance(fact, str) else fact for key, fact in facts.items()}

    def filled(template: str) -> str:
        return template.format(code=code, **words)

    return LoginFailed(
        filled(text.message),
        name=name,
        cause=filled(text.cause),
        advice=filled(text.advice),
        snippet=snippet or filled(text.snippet),
        passing=text.passing,
        code=code,
    )


def one_line(text: str) -> str:
    """Put a text of somebody else's on one line, and keep it short.

    >>> one_line("Bad request\\n::warning::x")
    'Bad request ::warning::x'
    """
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
