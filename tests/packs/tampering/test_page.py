"""The page finds every lie that the single file finds, and says it in the same words.

`make test` tells it a few lies, `make test-tampering` all. A browser is not shown links, devices and empty folders.
"""

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth_stack.packs import verify_pack
from tests.packs.page.page_browser import VerifyPage, open_verify_page
from tests.packs.tampering.forge import Forger, build_base
from tests.packs.tampering.mutations import Mutation, list_mutations
from tests.packs.tampering.test_ledger_lies import LEDGER_LIES, third
from tests.packs.tampering.test_withdrawal import LIES, again

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("tampering_page")]
__all__ = ["again", "third"]

FEW = 20
UNSEEN = re.compile(r"file linked|a FIFO|a folder|a hole")
PARSERS = re.compile(
    r" (?:is not JSON: |is not a readable gzip file: |is no public key in PEM|is not written as).*"
)
"""What a parser says of broken bytes is its own."""


def take_some(names: list[str]) -> list[str]:
    """Every sixth of the lies that are told one by one; all of them in `make test-tampering`."""
    return names[:: 1 if os.environ.get("SYNTH_STACK_TAMPERING") == "all" else 6]


def choose_mutations() -> list[Mutation]:
    seen = [each for each in list_mutations() if each.single and not UNSEEN.match(each.name)]
    if os.environ.get("SYNTH_STACK_TAMPERING") == "all":
        return seen
    return random.Random(int(os.environ.get("SYNTH_STACK_TAMPERING_SEED", "13"))).sample(seen, FEW)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VerifyPage]:
    with open_verify_page(tmp_path_factory.mktemp("page")) as shown:
        yield shown


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base"))


def compare(page: VerifyPage, pack: Path) -> None:
    told = [str(problem) for problem in verify_pack.inspect(pack).problems]
    said = page.ask(pack)
    assert said["state"] == "wrong", f"the page believed it; the single file said {told}"
    assert [PARSERS.sub("", each) for each in said["problems"]] == [PARSERS.sub("", each) for each in told]


@pytest.mark.parametrize("mutation", choose_mutations(), ids=lambda mutation: mutation.name)
def test_a_lie_is_found_by_the_page_in_the_words_of_the_single_file(
    page: VerifyPage, base: Path, tmp_path: Path, mutation: Mutation
) -> None:
    forger = Forger(base, tmp_path)
    mutation.apply(forger)
    compare(page, forger.pack)


@pytest.mark.parametrize(
    "name",
    take_some([name for name, (_, _, single) in LIES.items() if single]),
)
def test_a_lie_about_withdrawn_rows_is_found_by_the_page(
    page: VerifyPage, again: Path, tmp_path: Path, name: str
) -> None:
    forger = Forger(again, tmp_path)
    LIES[name][0](forger)
    compare(page, forger.pack)


@pytest.mark.parametrize("name", take_some(list(LEDGER_LIES)))
def test_a_lie_about_the_ledger_is_found_by_the_page(
    page: VerifyPage, third: Path, tmp_path: Path, name: str
) -> None:
    forger = Forger(third, tmp_path)
    LEDGER_LIES[name][0](forger)
    compare(page, forger.pack)
