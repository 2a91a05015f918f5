"""Command lines and config files made by hypothesis: exit code 2 and one sentence, or the command works.

    python tests/faults/fuzz.py SEED EXAMPLES

Commands that would train are given --summary, which reads and checks everything that training does first.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from jaxcifar.cli import main

NAMES = ("quickstart", "cnn", "vgg_bn", "losses", "optimizers", "paper", "curvature", "speedrun_94", "absent", "")
OPTIONS = ("--out", "--seeds", "--size", "--scale", "--only", "--max-minutes", "--vectorize", "--config", "--restart")
FIELDS = (
    "--epochs",
    "--batch-size",
    "--seed",
    "--name",
    "--precision",
    "--timed",
    "--test-views",
    "--optimizer.learning-rate",
    "--optimizer.momentum",
    "--optimizer.schedule.warmup",
    "--data.dir",
    "--data.source",
    "--data.train-size",
    "--data.crop",
    "--data.flip",
    "--model.depth",
    "--model.norm",
    "--model.widths",
    "--model.dropout",
    "--loss.label-smoothing",
    "--checkpoint.every-seconds",
    "--checkpoint.snapshots",
    "--probes.0.every",
    "--absent",
)
VALUES = (
    st.integers(-3, 300).map(str)
    | st.floats(allow_nan=True, allow_infinity=True).map(str)
    | st.sampled_from(["", "-", "--", "None", "True", "batch", "none", "0", "1e400", "s3://a/b", "~", "/dev/null", "."])
    | st.text(max_size=12)
)


@st.composite
def flag(draw: st.DrawFn) -> list[str]:
    name = draw(st.sampled_from((*OPTIONS, *FIELDS)) | st.text(max_size=8).map(lambda text: f"--{text}"))
    match draw(st.integers(0, 3)):
        case 0:
            return [name]
        case 1:
            return [f"{name}={draw(VALUES)}"]
        case _:
            return [name, draw(VALUES)]


def _joined(flags: list[list[str]]) -> list[str]:
    return [word for words in flags for word in words]


FLAGS = st.lists(flag(), max_size=4).map(_joined)
COMMANDS = (
    st.tuples(st.sampled_from(NAMES), FLAGS).map(lambda found: ["run", found[0], *found[1], "--summary"])
    | st.tuples(st.sampled_from(["report", "landscape", "export", "copy", "list", "--help", "-V"]), FLAGS).map(
        lambda found: [found[0], *found[1]]
    )
    | st.lists(VALUES, max_size=3)
)

GOOD = '''"""A config."""
from jaxcifar.config import CNN, Adam, Data, Run

def get_config():
    return Run(name="small", model=CNN(widths=(4,), head=(8,)), data=Data(source="shapes"), optimizer=Adam(), epochs=1)
'''
EXPRESSIONS = st.sampled_from(
    [
        "None",
        "-1",
        "0",
        "1e999",
        "float('nan')",
        "'x'",
        "()",
        "(0,)",
        "[1]",
        "{}",
        "Run",
        "CNN()",
        "Adam()",
        "1/0",
        "object()",
    ]
)


@st.composite
def config_file(draw: st.DrawFn) -> bytes:
    match draw(st.integers(0, 3)):
        case 0:
            field = draw(
                st.sampled_from(["name", "model", "data", "optimizer", "epochs", "batch_size", "probes", "seed", "x"])
            )
            return (
                GOOD.replace("Run(name", f"Run({field}_=0, name")
                .replace(f"{field}_=0", f"{field}={draw(EXPRESSIONS)}")
                .encode()
            )
        case 1:
            start = draw(st.integers(0, len(GOOD)))
            return (GOOD[:start] + draw(st.text(max_size=6)) + GOOD[start + draw(st.integers(0, 9)) :]).encode(
                errors="surrogatepass"
            )
        case 2:
            return GOOD.replace("return Run(", f"return {draw(EXPRESSIONS)} or Run(").encode()
        case _:
            return draw(st.binary(max_size=60))


def call(arguments: list[str]) -> None:
    """Run a command in this process; raise AssertionError unless it works or ends with one sentence."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = 0 if ended.code in (0, None) else ended.code
    text = said.getvalue()
    assert code in (0, 2), (arguments, code, text[-500:])
    assert "Traceback" not in text, (arguments, text[-2000:])
    assert code == 0 or text.strip(), arguments


def campaign(number: int, examples: int) -> None:
    """Try command lines and config files, half of the examples each, in a folder that is deleted afterwards."""
    sizes = settings(
        max_examples=examples // 2,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    counts = {"lines": 0, "files": 0}

    @seed(number)
    @sizes
    @given(COMMANDS)
    def lines(arguments: list[str]) -> None:
        counts["lines"] += 1
        call(arguments)

    @seed(number)
    @sizes
    @given(config_file(), FLAGS)
    def files(content: bytes, flags: list[str]) -> None:
        counts["files"] += 1
        Path("own.py").write_bytes(content)
        call(["run", "--config", "own.py", *flags, "--summary"])

    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            lines()
            files()
        finally:
            os.chdir(here)
    print(f"seed {number}: {counts['lines']} command lines and {counts['files']} config files, none failed")


if __name__ == "__main__":
    campaign(int(sys.argv[1]), int(sys.argv[2]))
