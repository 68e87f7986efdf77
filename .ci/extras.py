"""Whether every extra of the package can be installed, alone and beside those that it is used with.

    python .ci/extras.py [--uv PATH] [--python 3.11 ...]

Nothing is installed: uv resolves each set of extras against the package index for each version of Python
that the package supports. The sets that cannot live in one environment are resolved too: one that can by now
has to leave the list here and in docs/install.md.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")

TOGETHER = (
    ("embedded", "embed", "drift", "detoxify", "sigstore", "documents", "argilla", "datatrove", "dask"),
    ("embed", "detoxify", "gpu", "dask"),
    ("embed", "detoxify", "nemo", "ray", "datatrove", "dask", "gpu"),
    ("embed", "detoxify", "vllm", "ray", "nemo", "datatrove", "gpu"),
)
"""A workstation; one with GPUs; every engine; a GPU machine that generates and judges."""

APART = (
    "nemo-curator[deduplication_cuda12]==1.4.0",
    "nemo-curator[text_cuda12]==1.4.0",
)
"""Requirements that fit beside no version of the package (docs/install.md)."""

ALONE = ("nemo-curator[deduplication_cuda12]==1.4.0",)
"""What has to be installable without the package: the environment of its own for RAPIDS."""

ALONE_PYTHONS = ("3.11", "3.12")
"""RAPIDS 26.8 has packages that do not go together for Python 3.13."""


@dataclass(frozen=True, slots=True)
class Case:
    """Requirements to resolve, beside the package with extras or without it, and whether that has to work."""

    python: str
    extras: tuple[str, ...] = ()
    requirement: str | None = None
    package: bool = True
    works: bool = True

    def describe(self) -> str:
        """The case as a line names it."""
        named = f"synth-stack[{','.join(self.extras)}]" if self.extras else "synth-stack"
        parts = [named] if self.package else []
        return f"{self.python}  {' + '.join([*parts, *filter(None, [self.requirement])])}"


def list_cases(pythons: Sequence[str]) -> Iterator[Case]:
    """Every extra alone, the sets, and what stays apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for python in pythons:
        for extra in project["optional-dependencies"]:
            yield Case(python, (extra,))
        for extras in TOGETHER:
            yield Case(python, extras)
        for requirement in APART:
            yield Case(python, requirement=requirement, works=False)
        for requirement in ALONE if python in ALONE_PYTHONS else ():
            yield Case(python, requirement=requirement, package=False)


def resolve(uv: str, case: Case) -> tuple[bool, str]:
    """Whether uv finds versions for a case, and how many or why not."""
    command = [
        uv,
        "pip",
        "compile",
        "--quiet",
        "--python-version",
        case.python,
        "--no-header",
        "--no-annotate",
        "-",
    ]
    if case.package:
        command += ["pyproject.toml"]
    command += [word for extra in case.extras for word in ("--extra", extra)]
    given = f"{case.requirement}\n" if case.requirement else ""
    done = subprocess.run(command, input=given, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return True, f"{len(re.findall('^[^ #].*==', done.stdout, re.MULTILINE))} packages"
    why = " ".join(done.stderr.split())
    if "No solution found" not in why:
        raise SystemExit(f"uv could not resolve {case.describe()}: {why[:400]}")
    return False, why[:400]


def main() -> None:
    """Prints a line for each case; exit code 1 where one is not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--uv", default="uv")
    parser.add_argument("--python", nargs="+", default=PYTHONS)
    options = parser.parse_args()
    cases = list(list_cases(options.python))
    wrong = 0
    with ThreadPoolExecutor(4) as pool:
        for case, (works, said) in zip(
            cases, pool.map(lambda one: resolve(options.uv, one), cases), strict=True
        ):
            wrong += works != case.works
            state = {(True, True): "solves", (False, False): "apart"}.get((works, case.works), "WRONG")
            print(
                f"{state:7} {case.describe()}: {said if works or state == 'WRONG' else 'as stated'}",
                flush=True,
            )
    sys.exit(f"{wrong} of {len(cases)} sets of extras are not as they have to be" if wrong else 0)


if __name__ == "__main__":
    main()
