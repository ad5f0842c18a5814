"""The command `doctor`: looks whether runs on AWS can work, and changes nothing.

Leaves to others: how findings are judged (cloud.diagnosis), the calls (cloud).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress

from grapeshot_launcher.cloud.aws import Aws, Caller
from grapeshot_launcher.cloud.diagnosis import (
    Finding,
    actions_of,
    of_attempt,
    of_clock,
    of_quota,
    of_simulation,
    principal_of,
    untried,
)
from grapeshot_launcher.cloud.errors import (
    AccessDenied,
    AwsError,
    InvalidCredentials,
    LoginFailed,
    Missing,
    Unreachable,
)
from grapeshot_launcher.cloud.find_image import SINGLE, find_image
from grapeshot_launcher.cloud.identity import ask_identity
from grapeshot_launcher.cloud.oidc import AUDIENCE
from grapeshot_launcher.cloud.policy import caller_statements
from grapeshot_launcher.cloud.resources import Site, role_problems, site_problems
from grapeshot_launcher.errors import ImageFailed, SettingsRefused
from grapeshot_launcher.options import DoctorOptions
from grapeshot_worker.errors import Exit

NOTHING = "grapeshot-doctor-looks"  # a name that nothing has


def examine(
    options: DoctorOptions,
    *,
    environ: Mapping[str, str],
    say: Callable[[str], None],
    aws: Aws | None = None,
    now: Callable[[], float] = time.time,
) -> int:
    """Print what was found, a line each; give 0 if nothing is `not ok`, else 1.

    Raises SettingsRefused when region or prefix can't be right, and AwsError for an AWS profile that is unknown.
    """
    problems = site_problems(Site(account="0" * 12, region=options.region, prefix=options.prefix))
    if problems:
        raise SettingsRefused("\n".join(problems))
    wrong = False
    for finding in _findings(options, aws or Aws(options.region), environ, say, now):
        wrong = wrong or finding.judgement == "not ok"
        say(str(finding))
    return Exit.FAILED if wrong else Exit.OK


def _findings(
    options: DoctorOptions,
    aws: Aws,
    environ: Mapping[str, str],
    say: Callable[[str], None],
    now: Callable[[], float],
) -> Iterator[Finding]:
    if environ.get("GITHUB_ACTIONS") == "true":
        yield _identity(environ, mask=lambda secret: say(f"::add-mask::{secret}"))
    with suppress(AwsError):  # the next call says why
        yield of_clock(now(), aws.time_there())
    try:
        caller = aws.caller()
    except AwsError as error:
        yield from _nobody(options.region, error)
        return
    yield Finding("ok", f"credentials: {caller.arn}, account {caller.account}")
    yield Finding("ok", f"region: {options.region} answers, and knows these credentials")
    site = Site(account=caller.account, region=options.region, prefix=options.prefix)
    yield from _permissions(aws, site, caller)
    yield _quota(aws, options)
    yield _image(aws, site, options)
    yield _role(aws, site, options.role_arn)


def _identity(environ: Mapping[str, str], *, mask: Callable[[str], None]) -> Finding:
    try:
        claims = ask_identity(environ, AUDIENCE, mask=mask).claims
    except LoginFailed as error:  # no fault where an earlier step has brought credentials
        return Finding("can't tell", f"GitHub's identity token: {error.message}", error.remedy)
    return Finding("ok", f"GitHub's identity token: its subject is {claims.subject}")


def _nobody(region: str, error: AwsError) -> Iterator[Finding]:
    """Tell credentials and region of a caller whom AWS does not know, or who could not ask."""
    if isinstance(error, Unreachable):
        yield Finding("can't tell", "credentials: AWS was not reached")
        yield Finding("not ok", f"region: {error.message} {error.cause}".rstrip(), error.remedy)
        return
    yield Finding("not ok", f"credentials: {error.message} {error.cause}".rstrip(), error.remedy)
    if isinstance(error, InvalidCredentials):
        yield Finding("can't tell", f"region: {region} may not be enabled for this account")


def _permissions(aws: Aws, site: Site, caller: Caller) -> Iterator[Finding]:
    """Ask IAM what the caller may do; where it may not ask that, try what has no effect."""
    statements = caller_statements(account=site.account, region=site.region, prefix=site.prefix)
    simulated = []
    try:
        for statement in statements:
            decisions = aws.simulate(principal_of(caller.arn), actions_of(statement), statement["Resource"])
            simulated.append(of_simulation(statement, decisions))
    except AwsError:
        tried = yield from _attempts(aws, site)
        yield from untried(statements, tried)
        return
    yield from simulated


def _attempts(aws: Aws, site: Site) -> Generator[Finding, None, list[str]]:
    """Make calls that change nothing; give the actions that were judged."""
    bucket = site.bucket
    tries: dict[str, Callable[[], object]] = {
        "sqs:ListQueues": lambda: aws.list_queues(f"{site.prefix}-{NOTHING}"),
        "sqs:GetQueueUrl": lambda: aws.queue_url(f"{site.prefix}-{NOTHING}"),
        "lambda:GetFunctionConfiguration": lambda: aws.function(f"{site.prefix}-{NOTHING}"),
        "iam:GetRole": lambda: aws.role(site.role),
    }
    there = False
    try:
        aws.head_bucket(bucket, site.account)
        there = True
    except Missing:
        yield Finding("can't tell", f"permissions for bucket {bucket}: there is none yet; a run makes it")
    except AwsError as error:
        yield of_attempt("s3:ListBucket", error)
    if there:
        tries |= {
            "s3:ListBucket": lambda: aws.list_objects(bucket, NOTHING),
            "s3:GetObject": lambda: aws.get_object(bucket, f"tests/{NOTHING}"),
            "s3:GetLifecycleConfiguration": lambda: aws.lifecycle(bucket),
        }
    for action, attempt in tries.items():
        try:
            attempt()
        except AwsError as error:
            yield of_attempt(action, error)
        else:
            yield of_attempt(action, None)
    return [*tries, "s3:ListBucket", "ecr:BatchGetImage"]


def _quota(aws: Aws, options: DoctorOptions) -> Finding:
    try:
        return of_quota(aws.concurrency(), options.workers)
    except AwsError as error:
        return Finding(
            "can't tell",
            f"concurrency: {error.message}",
            "A run does without; `grapeshot iam policy --extras` prints what grants it.",
        )


def _image(aws: Aws, site: Site, options: DoctorOptions) -> Finding:
    """Look for the worker image, and at its manifest: Lambda takes a single one, and no index."""
    try:
        address = find_image(
            aws,
            site,
            asked=options.image,
            repository=options.repository,
            architecture=options.architecture,
        )
        kind = aws.manifest_type(address)
    except ImageFailed as error:
        return Finding("not ok", f"image: {error.message} {error.cause}".rstrip(), error.remedy)
    except AccessDenied as error:
        return Finding("not ok", f"image: {error.message}", error.remedy)
    except AwsError as error:
        return Finding("can't tell", f"image: {error.message}", error.remedy)
    if kind not in SINGLE:
        return Finding(
            "not ok",
            f"image: {address} is {kind or 'not in the registry'}, and Lambda takes a single manifest",
            f"Publish it with: grapeshot image publish --region {site.region}",
        )
    made_for = "" if options.image else f" for {options.architecture}"
    return Finding("ok", f"image: {address}, a single manifest{made_for}")


def _role(aws: Aws, site: Site, asked: str | None) -> Finding:
    arn = asked or site.role_arn
    problems = list(role_problems(arn, site))
    if problems:
        return Finding("not ok", f"role: {problems[0]}", "Correct --lambda-role-arn.")
    try:
        found = aws.role(arn.rpartition("/")[2])
    except AwsError as error:
        return Finding("can't tell", f"role: {error.message}", error.remedy)
    if found:
        return Finding("ok", f"role: {found}")
    if asked:
        return Finding("not ok", f"role: {arn} is not there", "Create it, or leave --lambda-role-arn out.")
    return Finding("ok", f"role: {site.role} is not there yet; the first run makes it")
