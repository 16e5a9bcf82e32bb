"""Fuzz for as long as is wanted. An input that breaks a rule is kept, and shown by the rule that it breaks.

Needs atheris, Google's libFuzzer for Python, on Linux: `pip install atheris`. Without arguments all targets have their
share of a minute. By hand, before a release:

    python -m tests.fuzz --seconds 600                        all targets, ten minutes together
    python -m tests.fuzz --seconds 600 template               one target
    python -m tests.fuzz any                                  all at once, in one process, as in the tests
    python -m tests.fuzz --keep ~/fuzz --seconds 600          go on tomorrow with the inputs that were found today
    python -m tests.fuzz --replay crash-0123 template         show what is wrong with one input

What was found goes to `tests/fuzz/corpus/TARGET/`, where `pytest tests/fuzz` replays it from then on.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.frames import stop_servers
from tests.fuzz.targets import TARGETS, target_of

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
SLOWEST_S = 20  # of one input, on a busy machine
MOST_MB = 1024  # of the process's memory


@dataclass(frozen=True)
class Outcome:
    """How one target came out: what libFuzzer said at its end, and the input that broke a rule, with the traceback."""

    summary: str
    found: Path | None = None
    why: str = ""


def fuzz(name: str, seconds: int, keep: Path, *, seed: int = 0) -> Outcome:
    """Fuzz one target in a process of its own. `keep` has its inputs, and gets the one that breaks a rule."""
    corpus, found = keep / name, keep / "found" / name
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for n, content in enumerate([*target_of(name).seeds, *(path.read_bytes() for path in (CORPUS / name).glob("*"))]):
        (corpus / f"seed-{n}").write_bytes(content)
    known = set(found.iterdir())
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={SLOWEST_S}", f"-rss_limit_mb={MOST_MB}"]
    options += ["-max_len=16384", "-len_control=0", "-print_final_stats=1", f"-artifact_prefix={found}/"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
    child = subprocess.run(  # noqa: S603  # ourselves
        [sys.executable, "-m", "tests.fuzz.engine", name, *options, str(corpus)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + 120,
        check=False,
    )
    log = child.stdout + child.stderr
    new = sorted(set(found.iterdir()) - known)
    done = re.findall(r"#\d+\s+DONE.*", log)
    if new:
        _, mark, traceback = child.stdout.partition("=== Uncaught Python exception: ===")
        return Outcome("broken", new[0], traceback[:4000] if mark else log[-4000:])
    if child.returncode or not done:
        raise RuntimeError(log[-4000:])
    return Outcome(done[-1])


def main() -> int:
    """Fuzz the targets that are asked for, and tell what was found."""
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "targets", nargs="*", choices=[*TARGETS, "any", []], metavar="target", help=", ".join([*TARGETS, "any"])
    )
    parser.add_argument("--seconds", type=int, default=60, help="for all of them together (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0 is another each time")
    parser.add_argument("--keep", type=Path, help="where the inputs are kept, and what was found (default: nowhere)")
    parser.add_argument("--replay", type=Path, help="run this input alone, through the one target that is named")
    arguments = parser.parse_args()
    names = arguments.targets or list(TARGETS)
    if arguments.replay:
        try:
            target_of(names[0]).check(arguments.replay.read_bytes())
        finally:
            stop_servers()
        return 0
    keep = arguments.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    failed = False
    for name in names:
        outcome = fuzz(name, max(arguments.seconds // len(names), 1), keep, seed=arguments.seed)
        print(f"{name}: {outcome.summary}", flush=True)  # noqa: T201  # a command's answer
        if outcome.found is not None:
            failed = True
            print(f"  breaks a rule: {outcome.found}\n{outcome.why}", flush=True)  # noqa: T201  # likewise
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
