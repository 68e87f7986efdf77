"""Every lie of the table is found, and the part that it is told about is named.

`make test` tells a sample of them, chosen by SYNTH_STACK_TAMPERING_SEED; `make test-tampering` tells all.
"""

import os
import random
import re
from pathlib import Path

import pytest

from synth_stack.packs import verify_pack
from synth_stack.packs.verify.verify import inspect_pack
from tests.packs.tampering.forge import Forger, build_base
from tests.packs.tampering.mutations import Mutation, list_mutations

SAMPLE = 60
MUTATIONS = list_mutations()


def choose_mutations() -> list[Mutation]:
    if os.environ.get("SYNTH_STACK_TAMPERING") == "all":
        return MUTATIONS
    seed = int(os.environ.get("SYNTH_STACK_TAMPERING_SEED", "13"))
    return random.Random(seed).sample(MUTATIONS, SAMPLE)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one sound pack that all forgeries start from."""
    return build_base(tmp_path_factory.mktemp("base"))


def test_there_are_at_least_300_lies() -> None:
    assert len(MUTATIONS) >= 300


def test_what_nobody_changed_is_sound_for_both_verifiers(base: Path, tmp_path: Path) -> None:
    forger = Forger(base, tmp_path)
    forger.derive()
    assert inspect_pack(forger.pack).problems == ()
    assert verify_pack.inspect(forger.pack).problems == []
    for file in sorted(path for path in base.rglob("*") if path.is_file()):
        name = file.relative_to(base).as_posix()
        if not name.endswith((".gz", ".parquet")):
            assert (forger.pack / name).read_bytes() == file.read_bytes() or name.startswith(
                ("lineage/", "MANIFEST")
            )


@pytest.mark.parametrize("mutation", choose_mutations(), ids=lambda mutation: mutation.name)
def test_a_lie_is_found_and_its_part_is_named(base: Path, tmp_path: Path, mutation: Mutation) -> None:
    forger = Forger(base, tmp_path)
    mutation.apply(forger)
    problems = [str(problem) for problem in inspect_pack(forger.pack).problems]
    assert problems, "the lie was believed"
    assert any(re.search(mutation.says, problem) for problem in problems), problems
    assert all("\n" not in problem and problem.isprintable() for problem in problems)
    if mutation.single:
        told = [str(problem) for problem in verify_pack.inspect(forger.pack).problems]
        assert told, f"the single file believed it; the full one said {problems}"
        assert all("\n" not in problem and problem.isprintable() for problem in told)
