"""The shards of a folder, and every other file of it by name."""

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import InputError
from synth_stack.inputs.folders import list_shards
from synth_stack.inputs.foreign import open_dataset
from synth_stack.inputs.notices import NoticeTally
from tests.foreign_rows import read, write_lines


def list_names(folder: Path) -> tuple[list[str], list[str]]:
    """The shards of a folder, and what is told of its other files."""
    tally = NoticeTally()
    shards = [path.relative_to(folder).as_posix() for path in list_shards(folder, tally)]
    return shards, [notice.line() for notice in tally.list_notices()]


def test_hidden_files_and_sidecars_are_skipped_and_named(tmp_path: Path) -> None:
    for name in (
        "data/train.jsonl",
        "data/.train.jsonl.crc",
        "dataset_infos.json",
        "data/dataset_info.json",
        "state.json",
        "MANIFEST.json",
        ".ipynb_checkpoints/train-checkpoint.jsonl",
        "._a.jsonl",
        "__MACOSX/data/train.jsonl",
        "README.md",
        "data.orc",
    ):
        write_lines(tmp_path / name, [{"text": "x"}])

    shards, told = list_names(tmp_path)
    assert shards == ["data/train.jsonl"]
    assert set(told) == {
        "skipped .ipynb_checkpoints: hidden: 1 file",
        "skipped ._a.jsonl: hidden: 1 file",
        "skipped MANIFEST.json: describes data and holds none: 1 file",
        "skipped README.md: of a kind that is not read: 1 file",
        "skipped __MACOSX: hidden: 1 file",
        "skipped data.orc: of a kind that is not read: 1 file",
        "skipped data/.train.jsonl.crc: hidden: 1 file",
        "skipped data/dataset_info.json: describes data and holds none: 1 file",
        "skipped dataset_infos.json: describes data and holds none: 1 file",
        "skipped state.json: describes data and holds none: 1 file",
    }


def test_more_than_100_files_of_one_kind_are_counted_together(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "x"}])
    for number in range(250):
        (tmp_path / f"{number:03}.png").touch()

    _, told = list_names(tmp_path)
    assert len(told) == 101
    assert told[-1] == "skipped others: of a kind that is not read: 150 files"


def test_a_folder_of_packed_shards_alone_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    for name in ("b/1.jsonl.gz", "b/0.jsonl.gz", "a.json.gz", "b.csv.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = f"text\n{name}\n" if ".csv" in name else f'{{"text": "{name}"}}\n'
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    rows = read(open_dataset(tmp_path))

    assert [row["text"] for row in rows] == ["a.json.gz", "b/0.jsonl.gz", "b/1.jsonl.gz", "b.csv.gz"]


@pytest.mark.parametrize("name", ["b.jsonl.xz", "b.csv.zip", "b.parquet.gz", "b.JSON.LZ4"])
def test_a_shard_that_is_packed_in_another_way_is_refused_by_name(name: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "x"}])
    (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        list_shards(tmp_path, NoticeTally())

    assert str(caught.value).startswith(
        f"{tmp_path / name} is a shard that is packed in a way that is not read"
    )
    assert caught.value.exit_code == 2


def test_links_are_followed_within_the_folder_alone(tmp_path: Path) -> None:
    secret = write_lines(tmp_path / "secret.jsonl", [{"text": "secret"}])
    folder = tmp_path / "set"
    write_lines(folder / "data" / "a.jsonl", [{"text": "x"}])
    (folder / "b.jsonl").symlink_to("data/a.jsonl")
    (folder / "again").symlink_to("data")
    shards, told = list_names(folder)
    assert shards == ["b.jsonl", "data/a.jsonl"]
    assert told == ["skipped again: a link to a folder is not followed: 1 file"]

    for target in (secret, Path("../secret.jsonl"), tmp_path, Path("/dev/zero"), Path("/etc")):
        link = folder / "c.jsonl"
        link.symlink_to(target)
        with pytest.raises(InputError) as caught:
            list_shards(folder, NoticeTally())
        assert (
            str(caught.value) == f"{link} is a link that leads out of the folder. Copy the file, or name it."
        )
        link.unlink()

    (folder / "c.jsonl").symlink_to("c.jsonl")
    with pytest.raises(InputError, match=r"c\.jsonl does not exist"):
        list_shards(folder, NoticeTally())


def test_the_links_of_the_hub_s_cache_are_followed_to_its_blobs(tmp_path: Path) -> None:
    cache = tmp_path / "datasets--a--b"
    write_lines(cache / "blobs" / "0a1b", [{"text": "x"}])
    snapshot = cache / "snapshots" / "main"
    (snapshot / "data").mkdir(parents=True)
    (snapshot / "data" / "train.jsonl").symlink_to("../../../blobs/0a1b")

    assert [row["text"] for row in read(open_dataset(snapshot))] == ["x"]
    assert [row["text"] for row in read(open_dataset(snapshot / "data"))] == ["x"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match=r"a\.jsonl is no regular file\. Move it out of the folder\."):
        list_shards(tmp_path, NoticeTally())


def test_of_a_pack_only_the_rows_are_read(tmp_path: Path) -> None:
    for name in (
        "lineage/records-00000.parquet",
        "log/decisions-00000.parquet",
        "data/train-00000-of-00001.parquet",
    ):
        (tmp_path / "packs" / "one" / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"text": [name]}), tmp_path / "packs" / "one" / name)
    for name in ("MANIFEST.json", "croissant.json", "README.md", "recipe.yaml"):
        (tmp_path / "packs" / "one" / name).write_text("{}")

    shards, told = list_names(tmp_path / "packs" / "one")
    assert shards == ["data/train-00000-of-00001.parquet"]
    assert told[-1] == "skipped recipe.yaml: belongs to the pack and holds no rows of it: 1 file"
    assert len(told) == 6
    shards, told = list_names(tmp_path / "packs")
    assert shards == ["one/data/train-00000-of-00001.parquet"]
    assert len(told) == 6


def test_a_saved_distiset_is_read_without_its_caches_and_descriptions(tmp_path: Path) -> None:
    shards = ["default/train/data-00000-of-00001.arrow", "ratings/train/data-00000-of-00001.arrow"]
    others = [
        "default/train/cache-1.arrow",
        "distiset_configs/pipeline.json",
        "distiset_artifacts/step/a.jsonl",
    ]
    for name in [*shards, *others, "default/train/state.json"]:
        write_lines(tmp_path / name, [{"text": "x"}])
    listed, told = list_names(tmp_path)
    assert listed == shards
    assert {line.partition(":")[0] for line in told} == {
        "skipped default/train/cache-1.arrow",
        "skipped default/train/state.json",
        "skipped distiset_artifacts",
        "skipped distiset_configs",
    }
