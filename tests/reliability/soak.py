"""The soak: thousands of runs of all kinds at once, and then an account of every one of them.

    python -m tests.reliability.soak --runs 10000 --seed 1

Prints what was done and what is left of it, and each fault that was found; the status is 1 if there is one.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import logging
import os
import sys
from random import Random, SystemRandom
from threading import Timer
from typing import TYPE_CHECKING

from tests.reliability.soaking.census import Census, census
from tests.reliability.soaking.kinds import KINDS
from tests.reliability.soaking.play import Play, play
from tests.reliability.soaking.servers import other_side
from tests.reliability.soaking.verdict import grown, left_over, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.reliability.soaking.case import Kind

PARTS = 2
SHOWN = 40


def plan(runs: int, seed: int) -> list[Kind]:
    """Draw the runs: each kind once, as far as there are so many, and then by its weight."""
    random = Random(seed)  # noqa: S311  # it is to be the same again
    each_once = random.sample(KINDS, len(KINDS))[:runs]
    drawn = random.choices(KINDS, [kind.weight for kind in KINDS], k=runs - len(each_once))
    drawn += each_once
    random.shuffle(drawn)
    return drawn


def soak(done: Play, runs: int) -> tuple[Census, Census]:
    """Warm up with one run of each kind; then make the runs. Return what there was before them, and what is left."""
    warned, warm = _Warned(), Play(done.seed)
    with other_side() as other:
        play(other, plan(len(KINDS), done.seed), warm)
        before = census()
        play(other, plan(runs, done.seed), done, PARTS)
        after = census()
    done.faults += [f"warming up: {fault}" for fault in warm.faults]
    done.faults += [*left_over(before, after), *grown(done)]
    done.faults += [f"warned: {message}" for message in warned.messages]
    return before, after


class _Warned(logging.Handler):
    """Takes down what this project and LaunchDarkly's SDK warn of: there is no reason to."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        for name in ("ldai_core", "ldai_openai", "ldai_bedrock", "ldai_langchain", "ldclient"):
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take down a message."""
        self.messages.append(record.getMessage())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=None, help="of the runs that are drawn; a new one if not given")
    parser.add_argument("--patience", type=float, default=900, help="after so many seconds, show where it hangs")
    given = parser.parse_args(arguments)
    done = Play(SystemRandom().randrange(10**6) if given.seed is None else given.seed)
    print(f"seed            {done.seed}", flush=True)  # noqa: T201  # a program, which prints
    for name in ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGSMITH_TRACING_V2"):
        os.environ[name] = "false"
    gc.collect()
    gc.freeze()  # what was imported is not looked at again and again
    giving_up = Timer(given.patience, _give_up, [done])
    giving_up.daemon = True
    giving_up.start()
    before, after = soak(done, given.runs)
    giving_up.cancel()
    shown = [*summary(done, before, after), *(f"FAULT {fault}" for fault in done.faults[:SHOWN])]
    print("\n".join(shown))  # noqa: T201  # likewise
    return 1 if done.faults else 0


def _give_up(done: Play) -> None:
    print(f"FAULT these do not end: {done.going_on}", flush=True)  # noqa: T201  # likewise
    faulthandler.dump_traceback()
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
