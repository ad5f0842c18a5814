"""What the runner of GitHub Actions gets: commands it understands, files it can read, nothing smuggled in."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from composite import obeyed, read_outputs
from grapeshot_launcher.github.runner import Annotation, Runner


def runner(environ: dict[str, str] | None = None) -> tuple[Runner, io.StringIO]:
    out, numbers = io.StringIO(), itertools.count(1)
    return Runner(environ or {}, out, random_word=lambda: f"word{next(numbers)}"), out


def test_an_annotation_is_one_line_whatever_its_text() -> None:
    """Line ends, percent signs, colons and commas are escaped as GitHub documents it."""
    speaker, out = runner()

    speaker.annotate(
        Annotation(level="error", message="50 %\nbad", title="a: b, c", file="tests/load.yml", line=3)
    )
    speaker.annotate(Annotation(level="notice", message="fine"))

    assert out.getvalue() == (
        "::error title=a%3A b%2C c,file=tests/load.yml,line=3::50 %25%0Abad\n::notice::fine\n"
    )


def test_every_line_of_a_secret_is_masked() -> None:
    """The runner masks line by line; an empty line would mask everything."""
    speaker, out = runner()

    speaker.mask("first\n\nsec%nd\n")
    speaker.mask("")

    assert out.getvalue() == "::add-mask::first\n::add-mask::sec%25nd\n"


@given(st.dictionaries(st.text("abc-", min_size=1), st.text("a\n<=:word12")))
def test_outputs_read_back_whatever_they_hold(values: dict[str, str]) -> None:
    """No value ends its own block, or begins another output."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outputs"
        speaker = Runner({"GITHUB_OUTPUT": str(path)}, io.StringIO())
        for name, value in values.items():
            speaker.output(name, value)

        assert read_outputs(path.read_text() if path.exists() else "") == values


def test_the_summary_is_added_to_the_file(tmp_path: Path) -> None:
    """Half a surrogate pair from a target does not prevent it."""
    path = tmp_path / "summary"
    path.write_text("before\n")
    speaker, _ = runner({"GITHUB_STEP_SUMMARY": str(path)})

    speaker.summarize("# Title \ud800\n\n")

    assert path.read_text() == "before\n# Title \\ud800\n"


def test_outside_of_a_runner_there_is_nothing_to_write_to() -> None:
    """Without the files, outputs and summary go nowhere."""
    speaker, out = runner()

    speaker.output("a", "b")
    speaker.summarize("c")

    assert out.getvalue() == ""


def test_foreign_text_is_never_obeyed() -> None:
    """Commands that a script prints are text; ours work in between; what was shown can't be used to get out."""
    speaker, out = runner()

    with speaker.foreign():
        out.write("::set-env name=PATH::/evil\n")
        speaker.annotate(Annotation(level="warning", message="ours"))
        out.write("::word1::\n::error::forged\n")
        speaker.mask("secret")
        out.write("::word2::\n::error::forged\n")
    speaker.annotate(Annotation(level="notice", message="after"))

    assert obeyed(out.getvalue()) == ["::warning::ours", "::add-mask::secret", "::notice::after"]
