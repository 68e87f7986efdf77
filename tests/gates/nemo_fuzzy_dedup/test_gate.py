"""NeMo Curator's groups as verdicts. Its stages are stood in for, and asked for their parameters where it is."""

import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth_stack import curate
from synth_stack.errors import ConfigError, GateError
from synth_stack.gates.nemo_fuzzy_dedup import groups
from synth_stack.gates.nemo_fuzzy_dedup.gate import nemo_fuzzy_dedup
from synth_stack.models.rapids import BUCKET, FOUND, ID, RAPIDS
from tests.gates.playing import play
from tests.nemo_installed import mark_nemo
from tests.rapids_modules import stand_in_for_rapids
from tests.rapids_stand_in import VERSIONS, write_python

WORDS = "harbour garden bridge teacher engine river market window letter mountain clock bakery forest kitchen museum ladder island railway bicycle library".split()
STAND_IN = """
from tests.rapids_stand_in import write_lsh
write_lsh(folder, json.loads(arguments[0]))
"""


@pytest.fixture
def rapids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAPIDS, write_python(tmp_path, STAND_IN))


def write_text(rng: random.Random, words: int = 80) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words))


def make_table(texts: list[str]) -> pa.Table:
    ids = [f"{k:032x}" for k in range(len(texts))]
    return pa.table({"row_id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())})


def judge(texts: list[str], cut: int = 100, **params: Any) -> list[dict[str, Any]]:
    table = make_table(texts)
    shards = [table.slice(first, cut) for first in range(0, len(table), cut)]
    verdicts, _ = play(nemo_fuzzy_dedup(**params), shards, name="nemo_fuzzy_dedup")
    return list(pa.concat_tables(verdicts).to_pylist())


@pytest.mark.usefixtures("rapids")
@pytest.mark.parametrize("cut", [100, 3])
def test_of_a_chain_the_first_row_stays(cut: int) -> None:
    rng = random.Random(0)
    parts = [write_text(rng, 12) for _ in range(12)]
    # each is like its neighbour, and the first and the last are not alike
    chain = [" ".join(parts[k : k + 9]) for k in range(4)]
    texts = [write_text(rng), chain[0], "short", chain[1], write_text(rng), chain[2], chain[3]]
    said = judge(texts, cut, num_bands=60, minhashes_per_band=2)
    assert [each["outcome"] for each in said] == ["accept", "accept", "abstain", "reject", "accept", "reject", "reject"]  # fmt: skip
    assert {each["reason_class"] for each in said[5:]} == {"nemo_fuzzy_dedup.near_duplicate"}
    assert json.loads(said[6]["evidence"]) == {"group_rows": 4, "twin": said[1]["row_id"]}
    assert said[2]["reason_class"] == "nemo_fuzzy_dedup.too_short"
    assert (said[0]["score"], said[0]["threshold"]) == (None, None)


@pytest.mark.usefixtures("rapids")
def test_a_batch_is_curated_and_a_blind_stage_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1)
    texts = [write_text(rng) for _ in range(60)]
    texts[40] = texts[3] + " indeed"
    rows = [{"instruction": "Say something.", "output": text} for text in texts]
    gates = tmp_path / "gates.yaml"
    gates.write_text("version: 1\ngates: [{use: nemo_fuzzy_dedup, field: answer}]\n")
    batch = curate(rows, gates, tmp_path / "out")
    assert batch.figures.counts()["rejected"] == 1
    verdicts = pl.concat([pl.read_parquet(part) for part in (batch.folder / "verdicts" / "nemo_fuzzy_dedup").glob("*.parquet")])  # fmt: skip
    assert verdicts["outcome"].value_counts().sort("count").rows() == [("reject", 1), ("accept", 59)]
    lock = (batch.folder / "gates.lock.yaml").read_text()
    assert all(version in lock for version in VERSIONS.values())
    assert str(tmp_path) not in lock

    nothing = "(folder / 'LSHStage' / 'band_0-band_20').mkdir(parents=True)"
    monkeypatch.setenv(RAPIDS, write_python(tmp_path, nothing))
    with pytest.raises(GateError, match=r"nemo_fuzzy_dedup .* copy"):
        curate(rows, gates, tmp_path / "blind")


def test_without_the_other_environment_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(RAPIDS, raising=False)
    with pytest.raises(ConfigError, match=r"SYNTH_STACK_RAPIDS is not set.*docs/install\.md"):
        nemo_fuzzy_dedup()
    monkeypatch.setenv(RAPIDS, str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"has no NeMo Curator with RAPIDS; seen: .*No such file"):
        nemo_fuzzy_dedup()
    monkeypatch.setenv(RAPIDS, write_python(tmp_path, ""))
    with pytest.raises(ConfigError, match="too many hashes; seen: 255 bands of 64"):
        nemo_fuzzy_dedup(num_bands=255, minhashes_per_band=64)


@pytest.mark.parametrize(
    ("buckets", "said"),
    [
        ([[0, 99]], "a row that there is not"),
        ([[0, 2]], "a row that there is not"),
        ([[0, 1], [1, 3]], "a row in two buckets of one band"),
    ],
    ids=["beyond the last", "one that was too short", "twice"],
)
def test_rows_that_nobody_sent_are_refused(
    buckets: list[list[int]], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / FOUND / "band_0-band_20"
    home.mkdir(parents=True)
    schema = pa.schema([(BUCKET, pa.string()), (ID, pa.list_(pa.int64()))])
    columns = {BUCKET: [f"b0_{k}" for k in range(len(buckets))], ID: buckets}
    pq.write_table(pa.table(columns, schema=schema), home / "part.0.parquet")
    code = f"import shutil\nshutil.copytree({str(tmp_path / FOUND)!r}, folder / {FOUND!r})"
    monkeypatch.setenv(RAPIDS, write_python(tmp_path, code))
    rng = random.Random(2)
    with pytest.raises(GateError, match=f"left other buckets than the rows have; seen: {said}"):
        judge([write_text(rng), write_text(rng), "short", write_text(rng)])


def test_what_the_other_environment_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAPIDS, write_python(tmp_path, "sys.exit('no CUDA-capable device is detected')"))
    with pytest.raises(GateError, match="NeMo Curator failed on a GPU; seen: no CUDA-capable device"):
        judge([write_text(random.Random(3))] * 2)
    assert [each["outcome"] for each in judge(["short", "", "also"])] == ["abstain"] * 3


class TestWithNemoCurator:
    pytestmark = mark_nemo()

    @pytest.fixture
    def script(self, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
        return stand_in_for_rapids(Path(groups.__file__).with_name("rapids_minhash.py"), monkeypatch)

    def test_its_stages_take_our_parameters_and_files(self, script: ModuleType, tmp_path: Path) -> None:
        params = {"char_ngrams": 24, "num_bands": 7, "minhashes_per_band": 3, "seed": 5}
        reading, signing = script.build_signing(tmp_path, params)
        assert (reading.fields, signing.text_field) == ([ID, "text"], "text")
        assert (signing.num_hashes, signing.char_ngrams, signing.seed) == (21, 24, 5)
        assert Path(signing.output_path) == tmp_path / "MinHashStage"
        (grouping,) = script.build_grouping(tmp_path, params)
        assert [Path(path).parent for path in grouping.output_paths] == [tmp_path / FOUND] * 2
        assert (grouping.num_bands, grouping.minhashes_per_band) == (7, 3)

    def test_its_reader_hands_on_our_row_numbers(self, script: ModuleType, tmp_path: Path) -> None:
        from nemo_curator.stages.text.io.reader.parquet import ParquetReaderStage

        home = tmp_path / "texts"
        rows = groups._write_texts([groups.sketch_texts(make_table(["x" * 30, "y", "z" * 40]), {}, field="text", least=24)], home)  # fmt: skip
        assert rows["readable"].to_pylist() == [True, False, True]
        (task,) = script.list_tasks(home)
        task.task_id = "0"
        read = ParquetReaderStage(fields=[ID, "text"]).process(task).to_pandas()
        assert read[ID].tolist() == [0, 2]
        assert read["text"].str.len().tolist() == [30, 40]
