"""Times the word stage of the contamination gate beside other ways to look for shared n-grams.

    python benchmarks/contamination.py
    python benchmarks/contamination.py --rows 5000 --sets 4          a smaller one
    python benchmarks/contamination.py --gate ../shared/data --rows 1000     the whole gate, on real rows

Eval sets (--sets of --items items of about 75 words, questions and answers) and rows (about 75 words) are
drawn from one Zipf vocabulary. Into one row in 20 a run of an item is put, of 12 to 40 words; into as many
others one of 11 words, which is innocent. Each contestant runs in a process of its own, so that its peak
memory is its own: interpreter, libraries, eval sets and index, while one table of 10,000 rows is judged.
"cpu" is user and system time of all its threads. "index" is the time to read and index the eval sets.
"recall" is the share of rows with a planted run that it rejects or holds, "wrong" how many others.

    whole-gate     the sketch of the whole gate as the standard file has it, likeness too: what each row
                   costs. What MiniLM and the sandbox do is bounded for a batch and stands in
                   benchmarks/curate.py
    python-sets    a set of tuples of words, row by row: the recipe of most decontamination scripts
    datatrove      its NGramsDecontFilter with n = 12, where datatrove is installed (it wants spaCy too)

--gate judges --rows rows each of public corpora, which are innocent but for what they really copied, against
GSM8K's test set and HumanEval, all stages on, and prints what each stage said of them; then as many canaries.
"""

import argparse
import csv
import importlib.util
import json
import random
import resource
import string
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

if TYPE_CHECKING:
    from synth_stack.gates.gate import Judge

STANDARD = Path(__file__).parents[1] / "curator_configs" / "standard.yaml"
NGRAM = 12
VOCABULARY = 60_000
ROW_WORDS = 75
TABLE_ROWS = 10_000
TARGET = 2_000
"""Rows a CPU second of the whole gate with 20 sets of 10,000 items: 4,000 rows a second on two cores."""
PLANTED_EVERY = 20
Judged = Callable[[list[str]], list[bool]]
"""Texts of one table to: is it rejected?"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--gate", type=Path, metavar="CORPORA", help="the whole gate, on real rows")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs=2, metavar=("CONTESTANT", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args.only[0], Path(args.only[1]))))
        return
    if args.gate:
        measure_gate(args.gate, args.rows)
        return
    with tempfile.TemporaryDirectory(prefix="contamination-") as scratch:
        folder = Path(scratch)
        write_corpus(folder, args.rows, args.sets, args.items, args.seed)
        print(f"{args.rows} rows of {ROW_WORDS} words; {args.sets} eval sets of {args.items} items")
        base = 0.0
        for name in CONTESTANTS:
            if name == "datatrove" and importlib.util.find_spec("datatrove") is None:
                print(f"{name:12} not installed")
                continue
            base = report(name, folder, base)


def report(name: str, folder: Path, base: float) -> float:
    command = [sys.executable, __file__, "--only", name, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    rejected = np.array(result["rejected"])
    planted = np.load(folder / "planted.npy")
    rows = len(planted)
    print(
        f"{name:12} {rows / result['seconds']:9,.0f} rows/s  {rows / result['cpu']:8,.0f} rows/s of cpu"
        f"  {result['cpu'] / (base or result['cpu']):6.1f}x  index {result['index']:6.1f} s"
        f"  {result['peak_mb']:6.0f} MB  recall {rejected[planted].mean():.4f}"
        f"  wrong {rejected[~planted].sum()}"
    )
    if name == "whole-gate":
        reached = rows / result["cpu"]
        print(f"{'':12} target {TARGET:,} rows/s of cpu: {'reached' if reached >= TARGET else 'not reached'}")
    return base or result["cpu"]


def write_corpus(folder: Path, rows: int, sets: int, items: int, seed: int) -> None:
    """set-*.jsonl, rows.parquet (text) and planted.npy: which rows hold a run of NGRAM words."""
    rng = np.random.default_rng(seed)
    names = random.Random(seed)
    vocabulary = [
        "".join(names.choices(string.ascii_lowercase, k=names.randint(2, 11))) for _ in range(VOCABULARY)
    ]
    shares = 1 / (np.arange(VOCABULARY) + 10.0)
    edges = np.cumsum(shares / shares.sum())

    def say(n: int) -> list[str]:
        return [vocabulary[k] for k in np.minimum(np.searchsorted(edges, rng.random(n)), VOCABULARY - 1)]

    spoken: list[list[str]] = []
    for number in range(sets):
        with (folder / f"set-{number:02d}.jsonl").open("w", encoding="utf-8") as file:
            for _ in range(items):
                item = say(int(rng.integers(50, 100)))
                cut = len(item) // 2
                record = {"question": write_text(item[:cut]), "answer": write_text(item[cut:])}
                file.write(json.dumps(record) + "\n")
                if len(spoken) < 20_000:
                    spoken.append(item[:cut])
    planted = np.zeros(rows, dtype=bool)
    with pq.ParquetWriter(folder / "rows.parquet", pa.schema([("text", pa.string())])) as writer:
        for first in range(0, rows, TABLE_ROWS):
            texts = []
            for row in range(first, min(first + TABLE_ROWS, rows)):
                words = say(ROW_WORDS)
                if row % PLANTED_EVERY < 2:
                    item = spoken[int(rng.integers(len(spoken)))]
                    planted[row] = row % PLANTED_EVERY == 0
                    length = int(rng.integers(NGRAM, min(40, len(item)) + 1)) if planted[row] else NGRAM - 1
                    start, at = int(rng.integers(len(item) - length + 1)), int(rng.integers(ROW_WORDS))
                    words = [*words[:at], "then", *item[start : start + length], "then", *words[at:]]
                texts.append(write_text(words))
            writer.write_table(pa.table({"text": texts}))
    np.save(folder / "planted.npy", planted)


def write_text(words: Sequence[str]) -> str:
    """Sentences of eight words: capitals and punctuation over which no comparison may stumble."""
    sentences = [" ".join(words[k : k + 8]).capitalize() for k in range(0, len(words), 8)]
    return ". ".join(sentences) + "."


def measure(name: str, folder: Path) -> dict[str, object]:
    started, cpu = time.perf_counter(), read_cpu()
    judge = CONTESTANTS[name](folder)
    index = time.perf_counter() - started
    started, cpu = time.perf_counter(), read_cpu()
    rejected = [answer for texts in read_tables(folder) for answer in judge(texts)]
    return {
        "index": index,
        "seconds": time.perf_counter() - started,
        "cpu": read_cpu() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rejected": rejected,
    }


def read_cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def read_tables(folder: Path) -> Iterator[list[str]]:
    for batch in pq.ParquetFile(folder / "rows.parquet").iter_batches(TABLE_ROWS):
        yield batch.column("text").to_pylist()


def read_sets(folder: Path) -> Iterator[dict[str, str]]:
    for path in sorted(folder.glob("set-*.jsonl")):
        yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def measure_gate(corpora: Path, rows: int) -> None:
    from synth_stack.gates.contamination.gate import contamination
    from synth_stack.gates.resources import NoResources
    from synth_stack.inputs.gate_file import NamedEvalSet

    files = {"gsm8k": "gsm8k/test.jsonl", "humaneval": "humaneval/HumanEval.jsonl"}
    against = [NamedEvalSet(name=n, path=str(corpora / f)) for n, f in files.items()]
    judge = contamination(NoResources(), against=against)
    tables = {name: build_rows(pairs[:rows]) for name, pairs in read_pairs(corpora).items()}
    assert judge.plant is not None
    tables["canaries"] = judge.plant(next(iter(tables.values())), rows, 1)
    for name, table in tables.items():
        started, cpu = time.perf_counter(), read_cpu()
        verdicts = judge_batch(judge, table).to_pylist()
        seconds, cpu = time.perf_counter() - started, read_cpu() - cpu
        shown = [json.loads(v["evidence"] or "{}") for v in verdicts]
        rejected = [e["how"] for v, e in zip(verdicts, shown, strict=True) if v["outcome"] == "reject"]
        print(
            f"{name:14} {len(table):6} rows  {len(table) / seconds:7,.0f} rows/s"
            f"  {len(table) / cpu:7,.0f} rows/s of cpu  short list {count(shown, 'short_listed'):5}"
            f"  sandbox {count(shown, 'tried'):5}"
            f"  rejected {len(rejected) / len(table):.4f} {dict(Counter(rejected))}"
        )


def judge_batch(judge: "Judge", table: pa.Table) -> pa.Table:
    """The verdicts on a batch of one table: what an engine does with many."""
    state: dict[str, pa.Table] = {}
    for step in judge.rounds:
        state |= step.merge(iter([step.sketch(table, dict(state))]), dict(state))
    return judge.judge(table, state)


def count(shown: list[dict[str, Any]], what: str) -> int:
    return sum(evidence.get("counts", {}).get(what, 0) for evidence in shown)


def read_pairs(corpora: Path) -> dict[str, list[tuple[str, str]]]:
    """(prompt, answer) of each corpus, evenly drawn."""
    code = json.loads((corpora / "code_alpaca" / "new_codealpaca.json").read_text(encoding="utf-8"))
    maths = [json.loads(line) for line in (corpora / "gsm8k" / "train.jsonl").read_text("utf-8").splitlines()]
    with (corpora / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        banking = [(row["text"], "We are looking into it.") for row in csv.DictReader(file)]
    pairs = {
        "banking77": banking,
        "gsm8k train": [(row["question"], row["answer"]) for row in maths],
        "code_alpaca": [(f"{row['instruction']}\n{row['input']}", row["output"]) for row in code],
    }
    return {name: random.Random(1).sample(rows, len(rows)) for name, rows in pairs.items()}


def build_rows(pairs: Sequence[tuple[str, str]]) -> pa.Table:
    from synth_stack.inputs.foreign import open_records, read_candidates

    records = [{"prompt": prompt, "response": answer} for prompt, answer in pairs]
    return pa.concat_tables(read_candidates(open_records(records, "rows"))).combine_chunks()


def run_words(folder: Path) -> Judged:
    from synth_stack.gates.contamination.gate import contamination
    from synth_stack.gates.gate import NO_STATE
    from synth_stack.gates.resources import NoResources
    from synth_stack.inputs.gate_file import NamedEvalSet
    from synth_stack.rows.schemas import CANDIDATE_SCHEMA

    against = [NamedEvalSet(name=path.stem, path=str(path)) for path in sorted(folder.glob("set-*.jsonl"))]
    judge = contamination(NoResources(), against=against, embedding=None, behaviour=None).judge

    def answer(texts: list[str]) -> list[bool]:
        rows = CANDIDATE_SCHEMA.empty_table().to_pydict() | {
            "row_id": [f"{k:032x}" for k in range(len(texts))],
            "text": texts,
            "messages": [[]] * len(texts),
            "generator": ["foreign"] * len(texts),
        }
        columns = [pa.array(rows[f.name] or [None] * len(texts), f.type) for f in CANDIDATE_SCHEMA]
        table = pa.table(columns, names=CANDIDATE_SCHEMA.names)
        return [outcome != "accept" for outcome in judge(table, NO_STATE)["outcome"].to_pylist()]

    return answer


def run_gate(folder: Path) -> Judged:
    """What words say in the sketch of the gate with all of its stages."""
    from synth_stack.gates.contamination.gate import contamination
    from synth_stack.gates.contamination.paraphrase import Embedding
    from synth_stack.gates.contamination.solved_items import Behaviour
    from synth_stack.gates.resources import NoResources
    from synth_stack.inputs.gate_file import NamedEvalSet

    against = [NamedEvalSet(name=path.stem, path=str(path)) for path in sorted(folder.glob("set-*.jsonl"))]
    standard = yaml.safe_load(STANDARD.read_text(encoding="utf-8"))["gates"]
    (params,) = [use for use in standard if use.pop("use") == "contamination"]
    params |= {
        "against": against,
        "embedding": Embedding(**params["embedding"]),
        "behaviour": Behaviour(**params["behaviour"]),
    }
    del params["why"]
    sketch = contamination(NoResources(), **params).rounds[0].sketch

    def answer(texts: list[str]) -> list[bool]:
        found: list[bool] = pc.is_valid(
            sketch(build_rows([(text, "") for text in texts]), {})["shared"]
        ).to_pylist()
        return found

    return answer


def run_sets(folder: Path) -> Judged:
    stripped = str.maketrans("", "", string.punctuation)

    def split(text: str) -> list[str]:
        return text.lower().translate(stripped).split()

    def grams(words: list[str]) -> Iterator[tuple[str, ...]]:
        return (tuple(words[k : k + NGRAM]) for k in range(len(words) - NGRAM + 1))

    known: set[tuple[str, ...]] = set()
    for item in read_sets(folder):
        for text in item.values():
            known.update(grams([sys.intern(word) for word in split(text)]))
    return lambda texts: [any(gram in known for gram in grams(split(text))) for text in texts]


def run_datatrove(folder: Path) -> Judged:
    """Its filter as it stands, over an index of its own format, hash and text simplification."""
    from datatrove.data import Document
    from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter
    from datatrove.utils.text import ngrams, simplify_text

    config = NGramsDecontConfig(n_grams=NGRAM)
    decontaminate = NGramsDecontFilter(str(folder), config)
    hashes: set[int] = set()
    for item in read_sets(folder):
        for text in item.values():
            words = decontaminate.tokenizer.word_tokenize(simplify_text(text, config.norm_config))
            hashes.update(decontaminate.hash_func(" ".join(gram)) for gram in ngrams(words, NGRAM))
    np.array(list(hashes), dtype=config.hash_config.np_descr).tofile(folder / "eval.index.hashes")
    decontaminate.load_index_hashes()
    return lambda texts: [
        decontaminate.filter(Document(text, str(k))) is not True for k, text in enumerate(texts)
    ]


CONTESTANTS: dict[str, Callable[[Path], Judged]] = {
    "synth_stack": run_words,
    "whole-gate": run_gate,
    "python-sets": run_sets,
    "datatrove": run_datatrove,
}

if __name__ == "__main__":
    main()
