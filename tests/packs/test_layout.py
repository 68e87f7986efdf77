from pathlib import Path

import pytest

from synth_stack.errors import VerificationError
from synth_stack.packs import layout, verify_pack


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "data/train-00000-of-00001.parquet",
        "data/adversarial-00003-of-00012.parquet",
        "log/decisions-00000.parquet",
        "lineage/records-00012.parquet",
        "lineage/tiles/0.bin",
        "lineage/bundle.sigstore.json",
        "seeds/seeds.parquet",
        "lineage/records-00012.jsonl.gz",
        "lineage/ledger.json",
        "verify_pack.py",
        "seeds/sections.json",
    ],
)
def test_a_name_of_a_pack_is_taken(name: str) -> None:
    assert layout.find_name_fault(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "leads out"),
        ("../README.md", "leads out"),
        ("/etc/passwd", "leads out"),
        ("seeds/../../x", "leads out"),
        ("seeds//x", "leads out"),
        ("seeds/.git", "hidden"),
        (".ssh/key", "hidden"),
        ("seeds/x ", "space"),
        ("seeds/ x", "space"),
        ("seeds/x.", "dot"),
        ("seeds/a\\b", "character"),
        ("seeds/a:b", "character"),
        ("seeds/a\nb", "character"),
        ("seeds/\u202ex", "character"),
        ("seeds/e\u0301", "character"),
        ("seeds/" + "x" * 200, "longer than"),
        ("train.parquet", "no part"),
        ("seeds/sections.yaml", "no part"),
        ("data/train-٠٠٠٠٠-of-00001.parquet", "no part"),
        ("data/train.parquet", "no part"),
        ("data/test-00000-of-00001.parquet", "no part"),
        ("data/adversarial-0-of-1.parquet", "no part"),
        ("data/train-00000-of-00001.parquet.py", "no part"),
        ("lineage/tiles/10.bin", "no part"),
        ("readme.md", "no part"),
    ],
)
def test_any_other_name_is_a_fault_with_its_reason(name: str, fault: str) -> None:
    assert fault in str(layout.find_name_fault(name))


def test_an_empty_folder_misses_every_required_file(tmp_path: Path) -> None:
    names, faults, left = layout.list_pack_files(tmp_path)
    assert (names, left) == ({}, [])
    assert "README.md is missing" in map(str, faults)
    assert len(faults) == len(verify_pack.REQUIRED)


def test_too_many_files_are_refused_without_being_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_pack, "MAX_FILES", 5)
    (tmp_path / "seeds").mkdir()
    for number in range(6):
        (tmp_path / "seeds" / f"{number}.md").touch()
    with pytest.raises(VerificationError, match="more than 5 files"):
        layout.list_pack_files(tmp_path)


def test_a_name_that_is_not_utf8_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    try:
        (tmp_path / "seeds" / "\udcff.md").touch()
    except OSError:
        pytest.skip("this disk takes UTF-8 names only")
    _, faults, _ = layout.list_pack_files(tmp_path)
    assert "character that not every disk takes" in str(faults[0])
