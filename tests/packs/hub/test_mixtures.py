"""A mixture of packs on a hub: pushed, pulled, and refused where it was rolled back, changed or cut."""

from pathlib import Path

import pytest

from synth_stack.errors import InputError, VerificationError
from synth_stack.packs import layout
from synth_stack.packs.hub.pull import pull_pack
from synth_stack.packs.hub.push import push_pack
from synth_stack.runs.folder import list_files
from tests.packs.hub.hub_loopback import Hub
from tests.packs.hub.test_pull import REPOSITORY, change, publish
from tests.packs.judged_run import build_pack
from tests.packs.mixture.mixed_pack import mix


@pytest.fixture(scope="session")
def mixtures(made: Path) -> list[Path]:
    """Three batches of a ledger of mixtures: of batch 0, 1 and 0 of another ledger, each with the same pack."""
    folder = made / "mixtures"
    other = build_pack(folder / "other", text="words of another")
    return [
        mix(
            folder,
            [other, made / f"batch{number}"],
            f"m{place}",
            ledger=folder / "l",
            name=f"Mixture {place}",
        )
        for place, number in enumerate((0, 1, 0))
    ]


def test_a_mixture_comes_back_to_the_byte_and_the_next_one_replaces_it(
    hub: Hub, mixtures: list[Path], tmp_path: Path
) -> None:
    for number in (0, 1):
        push_pack(mixtures[number], REPOSITORY)
        pulled = pull_pack(REPOSITORY, tmp_path / "copy")
        assert pulled.pin is not None
        assert {check.name: check.count for check in pulled.verification.checks}["packs"] == 2
        assert list_files(tmp_path / "copy") == list_files(mixtures[number])
        assert pulled.verification.place is not None
        assert len(pulled.verification.place.previous) == number
    with pytest.raises(InputError, match="holds a later batch already"):
        push_pack(mixtures[0], REPOSITORY)


def test_a_mixture_that_was_rolled_back_or_has_an_older_pack_in_it_is_refused(
    hub: Hub, mixtures: list[Path], tmp_path: Path
) -> None:
    for number in (0, 1):
        publish(hub, mixtures[number])
        pull_pack(REPOSITORY, tmp_path / "copy")
    publish(hub, mixtures[0])
    with pytest.raises(VerificationError, match="the ledger was rolled back"):
        pull_pack(REPOSITORY, tmp_path / "copy")
    publish(hub, mixtures[2])
    with pytest.raises(VerificationError, match="sources/01 was rolled back"):
        pull_pack(REPOSITORY, tmp_path / "copy")
    assert list_files(tmp_path / "copy") == list_files(mixtures[1])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sources/00/README.md": b"# Better"}, r"sources/00/README\.md was changed"),
        ({"sources/00/setup.py": b"x"}, "sources/00/setup.py does not belong into a pack"),
        ({"sources/02/README.md": b"x"}, "sources/02/README.md was added"),
        ({"sources/README.md": b"x"}, "sources/README.md does not belong into a pack"),
        ({"setup.py": b"x"}, "setup.py does not belong into a pack: no part of a mixture"),
        ({"croissant.json": None}, "croissant.json is missing"),
        ({f"sources/01/{layout.STATEMENT}": None}, "sources/01/lineage/statement.dsse.json is missing"),
    ],
)
def test_a_mixture_that_is_not_what_was_signed_is_not_there(
    hub: Hub, mixtures: list[Path], tmp_path: Path, changes: dict[str, bytes | None], says: str
) -> None:
    change(publish(hub, mixtures[0]), changes)
    with pytest.raises(VerificationError, match=says):
        pull_pack(REPOSITORY, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
