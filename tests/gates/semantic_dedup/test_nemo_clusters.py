"""Clusters that NeMo Curator's KMeansStage is asked for. It is stood in for, and asked where it is installed."""

import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from synth_stack.errors import ConfigError, GateError
from synth_stack.gates.semantic_dedup import clusters, nemo_clusters
from synth_stack.gates.semantic_dedup.gate import nemo_semantic_dedup
from synth_stack.gates.semantic_dedup.nemo_clusters import find_centres_on_gpus
from synth_stack.models.rapids import RAPIDS
from tests.gates.playing import play
from tests.gates.semantic_dedup.test_gate import make_questions
from tests.nemo_installed import mark_nemo
from tests.rapids_modules import stand_in_for_rapids
from tests.rapids_stand_in import VERSIONS, write_python
from tests.some_rows import TextsTable

pytest.importorskip("wordllama")

STAND_IN = """
import numpy as np, pyarrow.parquet as pq
params = json.loads(arguments[0])
lists = pq.read_table(folder / "vectors")["embeddings"].to_pylist()
drawn = np.random.default_rng(params["seed"]).permutation(len(lists))[:params["n_clusters"]]
(folder / "centres").mkdir()
np.save(folder / "centres" / "kmeans_centroids.npy", 0.5 * np.array(lists, np.float32)[drawn])
"""


@pytest.fixture(autouse=True)
def small_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_WHOLE_ROWS", 40)
    monkeypatch.setattr(clusters, "_CLUSTER_ROWS", 20)


def test_rows_are_compared_within_clusters_of_its_centres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts_table: TextsTable
) -> None:
    monkeypatch.setenv(RAPIDS, write_python(tmp_path, STAND_IN))
    texts = make_questions(60)
    table = texts_table([*texts, texts[7], texts[31]])
    judge = nemo_semantic_dedup(field="text", threshold=0.999)
    (verdicts,), state = play(judge, [table], name="nemo_semantic_dedup")
    said = verdicts.to_pylist()
    assert [row["outcome"] for row in said[-2:]] == ["reject", "reject"]
    assert said[-1]["reason_class"] == "nemo_semantic_dedup.near_duplicate"
    assert {name: judge.facts[name] for name in VERSIONS} == VERSIONS
    parts, _ = play(judge, [table.slice(0, 13), table.slice(13)])
    assert [row for part in parts for row in part.to_pylist()] == said
    assert set(state) == {"rows", "twins"}


def test_few_rows_ask_no_gpu(tmp_path: Path) -> None:
    vectors = np.eye(10, dtype=np.float16)
    centres = find_centres_on_gpus(vectors, np.arange(10), 0, python=str(tmp_path / "none"))
    assert centres.shape == (1, 10)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.exit('out of memory')", "NeMo Curator failed on a GPU; seen: out of memory"),
        ("", "left no centres; seen: .*No such file"),
        ("import numpy as np; (folder/'centres').mkdir(); np.save(folder/'centres'/'kmeans_centroids.npy', np.ones((3, 8)))",
         r"left other centres than were asked for; seen: \(3, 8\) of float64; allowed: \(2, 8\) finite"),
        ("import numpy as np; (folder/'centres').mkdir(); np.save(folder/'centres'/'kmeans_centroids.npy', np.full((2, 8), np.nan))",
         "left other centres than were asked for"),
        ("import numpy as np; (folder/'centres').mkdir(); np.save(folder/'centres'/'kmeans_centroids.npy', np.array([{}]))",
         "left no centres; seen: Object arrays cannot be loaded"),
    ],
    ids=["it fails", "no file", "another shape", "no numbers", "a pickle"],
)  # fmt: skip
def test_what_cannot_be_centres_is_refused(code: str, said: str, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).random((50, 8)).astype(np.float16)
    with pytest.raises(GateError, match=said):
        find_centres_on_gpus(vectors, np.arange(50), 0, python=write_python(tmp_path, code))


def test_without_the_other_environment_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RAPIDS, raising=False)
    with pytest.raises(ConfigError, match="nemo_semantic_dedup needs NeMo Curator on a GPU"):
        nemo_semantic_dedup()


class TestWithNemoCurator:
    pytestmark = mark_nemo()

    def test_its_stage_takes_our_parameters_and_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "vectors").mkdir()
        home = "nemo_curator.stages.text.embedders"
        for name in (home, f"{home}.utils", "torch"):  # the environment of these tests has no PyTorch
            monkeypatch.setitem(sys.modules, name, MagicMock(__name__=name, __path__=[]))
        script = Path(nemo_clusters.__file__).with_name("rapids_kmeans.py")
        stage = stand_in_for_rapids(script, monkeypatch).build_stage(tmp_path, {"n_clusters": 7, "seed": 3})
        (*_, fitting) = stage.decompose()
        assert (fitting.n_clusters, fitting.random_state, fitting.fit_data_fraction) == (7, 3, 1.0)
        assert (fitting.id_field, fitting.embedding_field) == ("id", "embeddings")
        assert Path(fitting.cache_path) == tmp_path / "centres"
