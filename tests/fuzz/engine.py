"""One target under libFuzzer, guided by the coverage of our code. It never returns.

`python -m tests.fuzz.engine TARGET [libFuzzer's options] CORPUS` is what `python -m tests.fuzz` runs as a child. An
input that breaks a rule ends the process, and is left where `-artifact_prefix` says.
"""

from __future__ import annotations

import importlib
import logging
import sys
from random import Random
from typing import Any

__all__ = ["main"]

# What is instrumented: ourselves, and the engine of the templates. A module of an SDK would take all of it along.
_INSTRUMENTED = ["ldai_core", "ldai_openai", "ldai_bedrock", "ldai_langchain", "mstache"]
_OURS = 0.9  # of the mutations; the others are libFuzzer's own, of the bytes


def main(argv: list[str]) -> None:
    """Fuzz until libFuzzer is told to stop."""
    atheris: Any = importlib.import_module("atheris")  # not everywhere where the tests run, and without types
    with atheris.instrument_imports(include=_INSTRUMENTED):
        from tests.fuzz.frames import stop_servers  # noqa: PLC0415  # imports what is instrumented
        from tests.fuzz.targets import mutation_of, target_of  # noqa: PLC0415  # likewise
    logging.disable(logging.CRITICAL)  # what is read is odd, and each of it is told
    target = target_of(argv[1])
    mutate = mutation_of(target)

    def one_input(data: bytes) -> int:
        try:
            target.check(data)
        except (ValueError, RecursionError) as error:
            if _is_no_json(error):
                return -1  # not to be kept
            stop_servers()  # for whose threads the end of the process waits
            raise
        except BaseException:
            stop_servers()  # likewise
            raise
        return 0

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311  # libFuzzer's seed
        made = mutate(data, random) if random.random() < _OURS else atheris.Mutate(data, most)
        return made if len(made) <= most else data[:most]

    atheris.Setup([argv[0], *argv[2:]], one_input, custom_mutator=mutated)
    atheris.Fuzz()


def _is_no_json(error: Exception) -> bool:
    """Say whether the target itself could not read its input, which then is none."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        if traceback.tb_frame.f_code.co_name.startswith("fuzz_"):
            return traceback.tb_next.tb_frame.f_code.co_filename.endswith("json/__init__.py")
        traceback = traceback.tb_next
    return False


if __name__ == "__main__":
    main(sys.argv)
