"""What the method translation finds of planted faults; chrF of others: `python benchmarks/translation.py`.

Scripted models make one fault in every row of a run, so the truth about each row is known. It shows that each
check works, not how often a model errs. `pairs` are two different seeds of one slice of the support recipe:
by their chrF the default of `min_chrf` was chosen.
"""

import itertools
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import synth_stack
from synth_stack.inputs.recipe import load_recipe
from synth_stack.inputs.seeds import load_corpus
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import read_parts
from synth_stack.stats.chrf import measure_chrf

RECIPE = Path(__file__).parents[1] / "pipelines" / "translation" / "recipe.yaml"
ROWS = 40
PAIRS = 2_000
SEED = "My lamp of order 4711 flickers since 9.30; I ran `reset` twice, see https://lamps.example/faq please."
THERE = "Meine Lampe aus Auftrag 4711 flackert seit 9:30; ich habe zweimal `reset` benutzt, https://lamps.example/faq."
BACK = "My lamp from order 4711 has been flickering since 9.30; I used `reset` twice, see https://lamps.example/faq."

FAULTS: Mapping[str, tuple[str, str, str]] = {
    "number changed": ("translation: it loses 4711", THERE.replace("4711", "4712"), BACK),
    "code translated": ("translation: it loses `reset`", THERE.replace("`reset`", "`neustart`"), BACK),
    "address lost": (
        "translation: it loses https",
        THERE.replace("https://lamps.example/faq", "unsere Seite"),
        BACK,
    ),
    "not translated": ("translation: nothing was", SEED, BACK),
    "another message": (
        "back: something else",
        THERE,
        "When do you open the shop in the old town on Sundays?",
    ),
}


def run(folder: Path, there: str, back: str) -> Counter[str]:
    """How often each failure came."""
    folder.mkdir()
    (folder / "seeds.jsonl").write_text(json.dumps({"text": SEED, "slice": "lamps"}), encoding="utf-8")
    recipe = load_recipe(
        RECIPE,
        {
            "seeds": {"path": str(folder / "seeds.jsonl"), "slice_column": "slice"},
            "taxonomy": None,
            "documents": None,
            "teacher": {"use": "scripted", "rules": [{"match": "Translate the text", "replies": [there]}]},
            "models": {"judge": {"use": "scripted", "rules": [{"match": "Translate", "replies": [back]}]}},
            "generate.candidates": ROWS,
            "generate.methods": [{"use": "translation", "to": {"de-DE": "German"}}],
        },
    )
    out = synth_stack.generate(recipe, folder / "run")
    return Counter(
        str(failure)
        for table in read_parts(out / "candidates", CANDIDATE_SCHEMA)
        for failure in table["failure"].to_pylist()
    )


def measure_pairs() -> list[float]:
    """chrF between two different seeds of a slice, the highest last."""
    corpus = load_corpus(load_recipe(RECIPE).seeds, None, None)
    slices: dict[str, list[str]] = defaultdict(list)
    for row in corpus.seeds.to_pylist():
        slices[row["slice"]].append(row["text"])
    pairs = (pair for texts in slices.values() for pair in itertools.combinations(texts, 2))
    return sorted(measure_chrf(a, b) for a, b in itertools.islice(pairs, PAIRS) if a != b)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for number, (fault, (reason, there, back)) in enumerate(FAULTS.items()):
            failures = run(Path(name) / str(number), there, back)
            print(f"{fault}: {sum(n for said, n in failures.items() if said.startswith(reason))} of {ROWS}")
        print(f"sound, kept: {run(Path(name) / 'sound', THERE, BACK)['None']} of {ROWS}")
    scores = measure_pairs()
    print(f"pairs: {len(scores)}, median {scores[len(scores) // 2]:.2f}", end="")
    for least in (0.3, 0.4, 0.5):
        print(f", {sum(score >= least for score in scores) / len(scores):.1%} from {least} on", end="")
    print()


if __name__ == "__main__":
    main()
