"""The worker image without an engine: recipe and tag, the repository, what an engine says, publishing."""

from __future__ import annotations

import base64
import io
import json
import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from grapeshot_launcher.cloud.build_events import Event, base_failed, image_id, pulled, pushed_digest
from grapeshot_launcher.cloud.engine import Engine
from grapeshot_launcher.cloud.image import credentials, publish
from grapeshot_launcher.cloud.recipe import BASE_IMAGE, BESIDE_THE_WORKER, Recipe, read_recipe
from grapeshot_launcher.cloud.repository import (
    Ecr,
    Repository,
    StoredImage,
    ensure_repository,
    lifecycle_policy,
    pull_statement,
    with_pull_statement,
)
from grapeshot_launcher.errors import ImageFailed

ROOT = Path(__file__).parent.parent.parent
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/grapeshot-worker"
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/grapeshot-worker"
HOME = Repository(name="grapeshot-worker", arn=ARN, uri=URI)
SINGLE = "application/vnd.docker.distribution.manifest.v2+json"
RECIPE = Recipe(
    files={"Dockerfile": b"FROM x", "worker/a.py": b"1", "worker/b.py": b"2"},
    base_image="x",
    architecture="arm64",
)
DIGEST = "sha256:" + "5f" * 32


def failure(events: Iterable[Event], follow: Any = image_id) -> ImageFailed:
    with pytest.raises(ImageFailed) as caught:
        follow(events, silent)
    return caught.value


def silent(text: str) -> None:
    pass


# The recipe


def test_a_tag_is_made_of_the_content() -> None:
    """Equal recipes have equal tags, in whatever order the files were read."""
    turned = replace(RECIPE, files=dict(reversed(list(RECIPE.files.items()))))

    assert re.fullmatch(r"arm64-[0-9a-f]{16}", RECIPE.tag)
    assert turned.tag == RECIPE.tag


@pytest.mark.parametrize(
    "other",
    [
        replace(RECIPE, architecture="x86_64"),
        replace(RECIPE, base_image="y"),
        replace(RECIPE, files={**RECIPE.files, "Dockerfile": b"FROM y"}),
        replace(RECIPE, files={**RECIPE.files, "worker/c.py": b""}),
        replace(RECIPE, files={"Dockerfile": b"FROM x", "worker/a.py": b"2", "worker/b.py": b"1"}),
        replace(RECIPE, files={"Dockerfile": b"FROM x", "worker/a.pyw": b"1", "worker/b.py": b"2"}),
    ],
    ids=["architecture", "base", "Dockerfile", "one file more", "contents swapped", "a name"],
)
def test_whatever_shapes_the_image_changes_its_tag(other: Recipe) -> None:
    """A part that the tag forgot would leave an old image in use."""
    assert other.tag.split("-")[1] != RECIPE.tag.split("-")[1]


def test_the_context_is_the_files_and_nothing_else() -> None:
    """The archive has each file once, readable by any user, and is the same bytes every time."""
    with tarfile.open(fileobj=io.BytesIO(RECIPE.context())) as tar:
        found = {m.name: (cast("io.BufferedReader", tar.extractfile(m)).read(), m.mode) for m in tar}

    assert found == {name: (content, 0o644) for name, content in RECIPE.files.items()}
    assert RECIPE.context() == RECIPE.context()


def test_the_recipe_of_a_checkout_is_the_worker() -> None:
    """All that the Dockerfile copies is there; nothing of the launcher, and nothing compiled."""
    files = read_recipe("arm64").files
    dockerfile = files["Dockerfile"].decode()
    copied = re.findall(r"^COPY (?!--from)(\S+)", dockerfile, re.MULTILINE)

    assert copied
    assert all(any(name.startswith(path) for name in files) for path in copied)
    assert {name.split("/")[0] for name in files} == {"Dockerfile", "worker"}
    assert not [name for name in files if "__pycache__" in name or name.endswith(".pyc")]
    assert "worker/grapeshot_worker/__main__.py" in files


def test_the_dockerfile_has_the_same_base() -> None:
    """`docker build .` by hand makes what `grapeshot image build` makes."""
    assert f"\nARG BASE_IMAGE={BASE_IMAGE}\n" in (ROOT / "Dockerfile").read_text()


def test_installed_packages_make_the_same_image(tmp_path: Path) -> None:
    """From wheels, the files come from elsewhere, and the tag is that of the checkout they were built from."""
    launcher, worker = tmp_path / "grapeshot_launcher", tmp_path / "grapeshot_worker"
    packaged = launcher / "cloud" / "image_files"
    packaged.mkdir(parents=True)
    here = read_recipe("x86_64")
    for path, content in here.files.items():
        beside = BESIDE_THE_WORKER.get(path)
        place = packaged / beside if beside else worker / path.removeprefix("worker/grapeshot_worker/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    assert read_recipe("x86_64", launcher=launcher, worker=worker).tag == here.tag


def test_the_wheel_brings_the_files_beside_the_worker() -> None:
    """launcher/pyproject.toml copies them, under the names that are looked for."""
    settings = (ROOT / "launcher/pyproject.toml").read_text()

    for path, name in BESIDE_THE_WORKER.items():
        assert f'"../{path}" = "grapeshot_launcher/cloud/image_files/{name}"' in settings


def test_missing_files_are_told(tmp_path: Path) -> None:
    """Half an installation is no traceback."""
    with pytest.raises(ImageFailed) as caught:
        read_recipe("arm64", launcher=tmp_path / "a" / "b", worker=tmp_path / "c")

    assert "Dockerfile" in caught.value.cause


# What the engine says


def test_a_build_shows_its_steps() -> None:
    """One line for each step, however long its command; the id is that of the last stage."""
    events: list[Event] = [
        {"stream": "Step 1/2 : FROM x\n"},
        {"aux": {"ID": "sha256:first"}},
        {"stream": "Step 2/2 : RUN a \\\n   && " + "b" * 200},
        {"aux": {"ID": "sha256:last"}},
        {"stream": "Successfully built\n"},
    ]
    said: list[str] = []

    assert image_id(events, said.append) == "sha256:last"
    assert said[0] == "  step 1 of 2: FROM x"
    assert len(said) == 2
    assert len(said[1]) < 120


def test_a_failed_build_quotes_what_it_printed() -> None:
    """The SDK raises nothing for an error in the stream; its cause stands in the lines before."""
    told = failure(
        [{"stream": "\x1b[91mERROR: no matching hash\x1b[0m\n"}, {"error": "The command returned 1"}]
    )

    assert told.message == "The worker image could not be built."
    assert "ERROR: no matching hash\n" in told.cause
    assert "The command returned 1" in told.cause


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("dial tcp: lookup x: no such host", "way to the registry"),
        ("manifest for x:1 not found: manifest unknown", "--base-image"),
        ("toomanyrequests: Rate exceeded", "docker login"),
        ("exec format error", "architecture"),
        ("write /x: no space left on device", "docker system prune"),
        ("libstdc++.so.6: cannot open shared object file", "C++ library"),
        ("something else", "mend it"),
    ],
)
def test_a_failed_build_says_what_to_do(said: str, advice: str) -> None:
    """By what was said, the remedy is another."""
    assert advice in failure([{"error": said}]).remedy


@pytest.mark.parametrize(("follow", "what"), [(image_id, "ready"), (pushed_digest, "stored")])
def test_a_stream_that_breaks_off_is_a_failure(follow: Any, what: str) -> None:
    """Silence is no success."""
    assert what in failure([{"status": "Preparing", "id": "1"}], follow).cause


def test_a_push_gives_the_digest_and_few_lines() -> None:
    """Of the hundreds of events of a large layer, its quarters are shown; of a small one its end."""
    large = [
        {"id": "big", "status": "Pushing", "progressDetail": {"current": n * 1_000_000, "total": 100_000_000}}
        for n in range(101)
    ]
    small = [{"id": "tiny", "status": "Pushing", "progressDetail": {"current": 1, "total": 2}}]
    ends: list[Event] = [
        {"id": "big", "status": "Pushed"},
        {"id": "tiny", "status": "Layer already exists"},
        {"status": f"t: digest: {DIGEST} size: 1"},
        {"aux": {"Tag": "t", "Digest": DIGEST, "Size": 1}},
    ]
    said: list[str] = []

    assert pushed_digest([*large, *small, *ends], said.append) == DIGEST
    assert said == [
        "  layer big: 25 % of 100 MB",
        "  layer big: 50 % of 100 MB",
        "  layer big: 75 % of 100 MB",
        "  layer big: pushed",
        "  layer tiny: is there already",
    ]


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "denied: User: arn:x is not authorized to perform: ecr:PutImage on resource: y",
            "Allow ecr:PutImage:",
        ),
        ("unauthorized: authentication required", "did not accept the login"),
        ("net/http: TLS handshake timeout", "way to the registry"),
    ],
)
def test_a_refused_push_says_what_to_do(said: str, advice: str) -> None:
    """A missing permission is named with the command that prints the policy."""
    told = failure([{"error": said}], pushed_digest)

    assert told.message == "The worker image could not be pushed."
    assert advice in told.remedy
    assert ("grapeshot iam policy --publish" in told.remedy) == ("TLS" not in said)


def test_a_failed_pull_names_the_base() -> None:
    """A pull fails in its stream or before it; both are told alike."""
    told = failure([{"error": "manifest unknown"}], pulled)

    assert (told.message, told.remedy) == (
        base_failed("manifest unknown").message,
        base_failed("manifest unknown").remedy,
    )


def test_without_an_engine_the_remedy_is_told() -> None:
    """Nobody listens: start Docker, or name another engine."""
    with pytest.raises(ImageFailed) as caught:
        Engine.connect("tcp://127.0.0.1:1")

    assert caught.value.message == "There is no docker engine to build with."
    assert "systemctl start docker" in caught.value.remedy
    assert "DOCKER_HOST" in caught.value.remedy


# The repository


def test_only_untagged_images_expire() -> None:
    """Every image of ours has a tag, so none that a function uses ever expires."""
    (rule,) = json.loads(lifecycle_policy())["rules"]

    assert rule["selection"]["tagStatus"] == "untagged"
    assert rule["action"] == {"type": "expire"}


@pytest.mark.parametrize(
    ("arn", "service", "function"),
    [
        (ARN, "lambda.amazonaws.com", "arn:aws:lambda:eu-west-1:123456789012:function:artilleryio-*"),
        (
            ARN.replace("aws:ecr:eu-west-1", "aws-cn:ecr:cn-north-1"),
            "lambda.amazonaws.com.cn",
            "arn:aws-cn:lambda:cn-north-1:123456789012:function:artilleryio-*",
        ),
    ],
)
def test_lambda_may_pull_for_our_functions_alone(arn: str, service: str, function: str) -> None:
    """Two actions, for functions of this account, region and prefix."""
    statement = pull_statement(arn, prefixes=["artilleryio"])

    assert statement["Principal"] == {"Service": service}
    assert statement["Action"] == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    assert statement["Condition"] == {"StringLike": {"aws:SourceArn": function}}


def test_statements_of_others_stay() -> None:
    """A policy that somebody has set is added to; ours is there once, whatever it was before."""
    theirs = {"Sid": "Theirs", "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
    before = json.dumps({"Version": "2008-10-17", "Statement": theirs})
    once = with_pull_statement(before, ARN, prefix="old")
    twice = json.loads(with_pull_statement(once, ARN, prefix="new"))

    assert twice["Version"] == "2008-10-17"
    assert twice["Statement"] == [theirs, pull_statement(ARN, prefixes=["old", "new"])]
    assert with_pull_statement(json.dumps(twice), ARN, prefix="old") == json.dumps(twice)


def test_a_policy_that_is_right_is_not_written_again() -> None:
    """The text itself comes back, so nothing is called."""
    policy = json.dumps(
        {"Statement": [pull_statement(ARN, prefixes=["p"])], "Version": "2012-10-17"}, indent=3
    )

    assert with_pull_statement(policy, ARN, prefix="p") is policy


# Publishing


@dataclass
class PaperEcr:
    """ECR in memory; `calls` says what was changed."""

    repository: Repository | None = None
    policy: str | None = None
    images: dict[str, StoredImage] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    media_type: str = SINGLE
    overtaken: bool = False

    def ecr_repository(self, name: str) -> Repository | None:
        return self.repository

    def ecr_create_repository(self, name: str) -> Repository | None:
        self.calls.append("create")
        self.repository = HOME
        return None if self.overtaken else HOME

    def ecr_put_lifecycle_policy(self, name: str, policy: str) -> None:
        self.calls.append("lifecycle")

    def ecr_repository_policy(self, name: str) -> str | None:
        return self.policy

    def ecr_set_repository_policy(self, name: str, policy: str) -> None:
        self.calls.append("policy")
        self.policy = policy

    def ecr_image(self, name: str, tag: str) -> StoredImage | None:
        return self.images.get(tag)

    def ecr_authorization_token(self) -> str:
        return base64.b64encode(b"AWS:secret:with:colons").decode()


@dataclass
class PaperEngine:
    """An engine that pushes into a PaperEcr; `refusal` is what it does instead, after `meanwhile`."""

    ecr: PaperEcr
    digest: str = DIGEST
    refusal: str = ""
    overtaken: bool = False
    pushes: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> PaperEngine:
        return self

    def __exit__(self, *reason: object) -> None:
        pass

    def build(self, recipe: Recipe, **settings: Any) -> str:
        return "sha256:built"

    def size(self, image: str) -> int:
        return 200_000_000

    def push(self, image: str, *, uri: str, tag: str, login: tuple[str, str], say: Any) -> str:
        self.pushes.append({"uri": uri, "tag": tag, "login": login})
        if not self.refusal or self.overtaken:
            self.ecr.images[tag] = StoredImage(digest=self.digest, media_type=self.ecr.media_type)
        if self.refusal:
            return pushed_digest([{"error": self.refusal}], silent)
        return DIGEST


def published(ecr: PaperEcr, engine: PaperEngine, said: list[str] | None = None) -> Any:
    say = silent if said is None else said.append
    return publish(ecr, architecture="arm64", say=say, connect=lambda: cast("Engine", engine))


def test_publishing_creates_what_is_missing_and_pushes_once() -> None:
    """Repository, lifecycle and policy, then the image with the login; the second time nothing is changed."""
    ecr = PaperEcr()
    engine = PaperEngine(ecr)
    first = published(ecr, engine)
    said: list[str] = []
    second = published(ecr, engine, said)
    (push,) = engine.pushes

    assert ecr.calls == ["create", "lifecycle", "policy"]
    assert push == {"uri": URI, "tag": read_recipe("arm64").tag, "login": ("AWS", "secret:with:colons")}
    assert first.uri == second.uri == f"{URI}@{DIGEST}"
    assert (first.fresh, second.fresh) == (True, False)
    assert "Nothing to push" in said[0]


def test_an_existing_repository_keeps_its_lifecycle() -> None:
    """Only what a run needs is added to it; what is odd is said."""
    ecr = PaperEcr(repository=replace(HOME, immutable=False))
    said: list[str] = []
    ensure_repository(cast("Ecr", ecr), "grapeshot-worker", prefix="artilleryio", say=said.append)

    assert ecr.calls == ["policy"]
    assert "overwritten" in said[0]


def test_two_publishers_create_one_repository() -> None:
    """Who comes second uses the first one's."""
    ecr = PaperEcr(overtaken=True)

    assert ensure_repository(cast("Ecr", ecr), "grapeshot-worker", prefix="artilleryio", say=silent) == HOME
    assert ecr.calls == ["create", "policy"]


def test_an_index_is_refused() -> None:
    """Lambda would refuse it later, and less clearly."""
    ecr = PaperEcr(media_type="application/vnd.oci.image.index.v1+json")
    with pytest.raises(ImageFailed, match="index") as caught:
        published(ecr, PaperEngine(ecr))

    assert "image.index" in caught.value.cause


def test_another_digest_than_the_pushed_one_is_refused() -> None:
    """What the registry says is what Lambda sees."""
    ecr = PaperEcr()
    with pytest.raises(ImageFailed, match="does not have the image"):
        published(ecr, PaperEngine(ecr, digest="sha256:other"))


def test_a_faster_publisher_is_no_failure() -> None:
    """The immutable tag refuses the second push of equal content; the first one's image is used."""
    ecr = PaperEcr()
    image = published(ecr, PaperEngine(ecr, refusal="tag is immutable", overtaken=True))

    assert not image.fresh
    assert image.stored.digest == DIGEST


def test_a_refused_push_is_a_failure() -> None:
    """Nothing stands under the tag, so the refusal is told."""
    ecr = PaperEcr()
    with pytest.raises(ImageFailed, match="could not be pushed"):
        published(ecr, PaperEngine(ecr, refusal="unauthorized"))


@pytest.mark.parametrize("token", ["", "not base64!", "QVdT"], ids=["empty", "no base64", "no colon"])
def test_a_broken_login_is_told(token: str) -> None:
    """No traceback for what another party sends."""
    with pytest.raises(ImageFailed, match="login"):
        credentials(token)
