"""Our band keys through the files of NeMo Curator's LSHStage: the buckets that the gate finds itself, or an error.

No GPU is needed: what the stage would write is written here in its form, bucket names and folders of bands as in
its source. With NeMo Curator installed its own stages are asked for their parameters, names and edges.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack.errors import GateError
from synth_stack.gates.dedup import nemo_buckets
from synth_stack.gates.dedup.lsh import Buckets, Keys, find_buckets
from synth_stack.gates.dedup.nemo_buckets import find_buckets_on_gpus, read_buckets, write_signatures
from synth_stack.models.rapids import BUCKET, FOUND, ID, SIGNATURE
from tests.nemo_installed import mark_nemo
from tests.rapids_modules import load_alone, stand_in_for_rapids
from tests.rapids_stand_in import write_python

BANDS = 7
LSH_SCRIPT = Path(nemo_buckets.__file__).with_name("rapids_lsh.py")


def draw_keys(rows: int = 400) -> Keys:
    """Keys of which many occur twice or oftener, and the extreme ones."""
    draws = np.random.default_rng(4)
    keys = draws.integers(0, rows, (rows, BANDS)).astype(np.uint32) * np.uint32(0x9E3779B1)
    keys[:3], keys[3:5] = 0, 2**32 - 1
    return keys


def write_buckets(folder: Path, signed: Sequence[Path], *, at_once: int = 5, parts: int = 3) -> list[Path]:
    """What LSHActor.minhash_to_bands, the shuffle, group_by_bucket and extract_and_write leave of signatures."""
    table = pa.concat_tables([pq.read_table(path) for path in signed])
    ids, keys = table[ID].to_pylist(), table[SIGNATURE].to_pylist()
    written = []
    for begin in range(0, BANDS, at_once):
        end = min(begin + at_once, BANDS)
        buckets: dict[str, list[int]] = {}
        for within, band in enumerate(range(begin, end)):
            for row, key in zip(ids, keys, strict=True):
                name = hashlib.md5(key[band].to_bytes(4, "little"), usedforsecurity=False).hexdigest()
                buckets.setdefault(f"b{within}_{name}", []).append(row)
        several = [(name, sorted(rows)) for name, rows in buckets.items() if len(rows) > 1]
        home = folder / FOUND / f"band_{begin}-band_{end}"
        home.mkdir(parents=True)
        for part in range(parts):
            own = [found for found in several if int(found[0][-4:], 16) % parts == part]
            columns = {BUCKET: [name for name, _ in own], ID: [rows for _, rows in own]}
            schema = pa.schema([(BUCKET, pa.string()), (ID, pa.list_(pa.int64()))])
            written.append(home / f"part.{part}.parquet")
            pq.write_table(pa.table(columns, schema=schema), written[-1])
    return written


def require_equal(found: Sequence[Buckets], keys: Keys) -> None:
    assert len(found) == BANDS
    for band, buckets in enumerate(found):
        expected = find_buckets(keys[:, band])
        assert np.array_equal(buckets.rows, expected.rows)
        assert np.array_equal(buckets.firsts, expected.firsts)
        assert buckets.rows.dtype == expected.rows.dtype


@pytest.mark.parametrize("at_once", [1, 5, BANDS])
def test_the_buckets_are_those_of_the_gate(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nemo_buckets, "_PART_ROWS", 150)
    keys = draw_keys()
    signed = write_signatures(keys, tmp_path)
    assert len(signed) == 3
    write_buckets(tmp_path, signed, at_once=at_once)
    require_equal(read_buckets(tmp_path, keys), keys)


def test_keys_that_no_rows_share_have_no_buckets(tmp_path: Path) -> None:
    keys = np.arange(20 * BANDS, dtype=np.uint32).reshape(20, BANDS)
    write_buckets(tmp_path, write_signatures(keys, tmp_path))
    require_equal(read_buckets(tmp_path, keys), keys)


def test_buckets_that_the_keys_do_not_bear_out_are_refused(tmp_path: Path) -> None:
    keys = draw_keys()
    parts = write_buckets(tmp_path, write_signatures(keys, tmp_path))
    whole = pq.read_table(parts[0])
    others = {
        "a bucket less": whole.slice(1),
        "a bucket twice": pa.concat_tables([whole, whole.slice(0, 1)]),
        "another row": whole.set_column(1, ID, pa.array([[399, 0, 1], *whole[ID].to_pylist()[1:]])),
        "a row that there is not": whole.set_column(1, ID, pa.array([[0, 400], *whole[ID].to_pylist()[1:]])),
        "another band": whole.set_column(0, BUCKET, pa.array(["b5_x", *whole[BUCKET].to_pylist()[1:]])),
    }
    for table in others.values():
        pq.write_table(table, parts[0])
        with pytest.raises(GateError, match="NeMo Curator left other buckets than the rows have"):
            read_buckets(tmp_path, keys)


def test_the_other_environment_is_asked_over_files_and_what_it_says_is_told(tmp_path: Path) -> None:
    code = """
from tests.gates.dedup.test_nemo_buckets import BANDS, LSH_SCRIPT, write_buckets
assert Path(script) == LSH_SCRIPT and arguments == [str(BANDS)]
write_buckets(folder, sorted((folder / "MinHashStage").iterdir()))
"""
    keys = draw_keys()
    require_equal(find_buckets_on_gpus(keys, write_python(tmp_path, code)), keys)
    with pytest.raises(GateError, match=r"NeMo Curator failed on a GPU; seen: no device"):
        find_buckets_on_gpus(keys, write_python(tmp_path, "sys.exit('no device')"))
    with pytest.raises(GateError, match=r"NeMo Curator failed on a GPU; seen: exit 3"):
        find_buckets_on_gpus(keys, write_python(tmp_path, "sys.exit(3)"))
    with pytest.raises(GateError, match="cannot be started"):
        find_buckets_on_gpus(keys, str(tmp_path / "none"))


class TestWithNemoCurator:
    pytestmark = mark_nemo()

    def test_its_stage_takes_our_parameters_and_names_folders_as_they_are_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = stand_in_for_rapids(LSH_SCRIPT, monkeypatch)
        signed = write_signatures(draw_keys(), tmp_path)
        stage = script.build_stage(tmp_path, BANDS)
        assert (stage.id_field, stage.minhash_field) == (ID, SIGNATURE)
        assert list(stage.get_band_iterations()) == [(0, 5), (5, 7)]
        assert [Path(path).relative_to(tmp_path) for path in stage.output_paths] == [
            Path(FOUND) / "band_0-band_5",
            Path(FOUND) / "band_5-band_7",
        ]
        assert stage.actor_class._generate_band_ranges(BANDS, 1) == [[band] for band in range(BANDS)]
        assert [task.data for task in script.list_tasks(tmp_path)] == [[str(path)] for path in signed]

    def test_its_edges_join_rows_that_share_a_key_and_no_others(self, tmp_path: Path) -> None:
        import nemo_curator
        from nemo_curator.tasks import FileGroupTask

        home = Path(nemo_curator.__file__).parent / "stages" / "deduplication" / "fuzzy"
        stage = load_alone(home / "buckets_to_edges.py").BucketsToEdgesStage(output_path=str(tmp_path))
        keys = draw_keys()
        edges = set()
        for number, part in enumerate(write_buckets(tmp_path, write_signatures(keys, tmp_path))):
            task = FileGroupTask(dataset_name="lsh", data=[str(part)])
            task.task_id = f"t{number}"
            table = pq.read_table(stage.process(task).data[0])
            edges |= set(zip(*(column.to_pylist() for column in table.columns[:2]), strict=True))
        ours = {
            (int(a), int(b))
            for buckets in read_buckets(tmp_path, keys)
            for a, b, opens in zip(buckets.rows[:-1], buckets.rows[1:], buckets.opens[1:], strict=True)
            if not opens
        }
        assert edges == ours
