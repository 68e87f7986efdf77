"""Every lie about a mixture is found and named by the full verifier, and by the single file where it claims to.

`make test` tells a sample, chosen by SYNTH_STACK_TAMPERING_SEED; `make test-tampering` tells all, and to the page too.
"""

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth_stack.packs import verify_pack
from synth_stack.packs.verify.verify import inspect_pack
from tests.packs.mixture.mixed_pack import Parts, resign
from tests.packs.page.page_browser import VerifyPage, open_verify_page
from tests.packs.tampering.mixed_lies import MixedLie, list_lies
from tests.packs.tampering.test_page import PARSERS

UNSEEN = re.compile("a hidden folder")
"""What a browser does not show a page."""


def choose(lies: list[MixedLie], count: int) -> list[MixedLie]:
    if os.environ.get("SYNTH_STACK_TAMPERING") == "all":
        return lies
    return random.Random(int(os.environ.get("SYNTH_STACK_TAMPERING_SEED", "13"))).sample(lies, count)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VerifyPage]:
    with open_verify_page(tmp_path_factory.mktemp("page")) as shown:
        yield shown


def test_what_nobody_changed_is_sound_when_it_is_signed_again(parts: Parts, mixture: Path) -> None:
    resign(mixture, parts.folder / "mixture.pem")
    assert inspect_pack(mixture).problems == ()
    assert verify_pack.inspect(mixture).problems == []


@pytest.mark.parametrize("lie", choose(list_lies(), 8), ids=lambda lie: lie.name)
def test_a_lie_is_found_and_its_part_is_named(parts: Parts, mixture: Path, lie: MixedLie) -> None:
    lie.tell(mixture, parts)
    problems = [str(problem) for problem in inspect_pack(mixture).problems]
    assert problems, "the lie was believed"
    assert any(re.search(lie.says, problem) for problem in problems), problems
    told = [str(problem) for problem in verify_pack.inspect(mixture).problems]
    assert all("\n" not in problem and problem.isprintable() for problem in [*problems, *told])
    if lie.single:
        assert any(re.search(lie.says, problem) for problem in told), told


@pytest.mark.browser
@pytest.mark.xdist_group("tampering_page")
@pytest.mark.parametrize(
    "lie",
    choose([lie for lie in list_lies() if lie.single and not UNSEEN.match(lie.name)], 3),
    ids=lambda lie: lie.name,
)
def test_a_lie_is_found_by_the_page_in_the_words_of_the_single_file(
    page: VerifyPage, parts: Parts, mixture: Path, lie: MixedLie
) -> None:
    lie.tell(mixture, parts)
    told = [str(problem) for problem in verify_pack.inspect(mixture).problems]
    said = page.ask(mixture)
    assert said["state"] == "wrong", f"the page believed it; the single file said {told}"
    assert sorted(PARSERS.sub("", each) for each in said["problems"]) == sorted(
        PARSERS.sub("", each) for each in told
    )
