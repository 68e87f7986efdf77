"""Prints what the gate `factuality` finds in planted answers, by kind, for developing and judging sources.

    python benchmarks/grounding.py                     policies, protocols and packages
    python benchmarks/grounding.py ../shared/data      and passages of ordinary/rc_en as sources
    python benchmarks/grounding.py --write pairs.jsonl the planted set, to be labelled by others
    python benchmarks/grounding.py --half develop --show paraphrased
    python benchmarks/grounding.py --verifier qwen.gguf --sha256 DIGEST [--kept rates.jsonl]

Sources are parted by the digest of their names: thresholds and rules were fitted on one half. Answers are
made from sentences of the sources by the rules of this file, and benchmarks/grounding/pairs.jsonl has
answers that were written by hand. A minute on two cores.

--verifier names the weights of a language model (GGUF, ChatML). All answers of the judging half (or of
--half) are judged twice, by rules alone and with the model, which is asked about --asked answers of each
corpus at most, as the gate chooses them. --kept names a file of what it said: a run that was cut short goes
on there.
"""

import argparse
import hashlib
import json
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from synth_stack.gates.factuality.gate import factuality
from synth_stack.gates.factuality.library import open_library
from synth_stack.gates.factuality.statements import read_statements
from synth_stack.gates.factuality.verifier import TeacherVerifier
from synth_stack.gates.gate import Judge
from synth_stack.gates.resources import NoResources, Rate
from synth_stack.inputs.source_files import find_files
from synth_stack.inputs.source_texts import SourcePassage, read_prose
from synth_stack.rows.schemas import build_candidates
from synth_stack.stats.intervals import wilson
from synth_stack.workflows.resources import RunResources

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).with_suffix("")
FOLDERS = {"policies": ROOT / "pipelines" / "support_intents" / "policies", "protocols": HERE / "protocols"}
PACKAGES = {"develop": ("httpx", "jinja2"), "judge": ("typer", "rich")}
HALVES = ("develop", "judge")
TRUE_KINDS = ("verbatim", "paraphrased", "paraphrased_by_hand", "api_true")
CONTRADICTED = ("number_changed", "unit_changed", "negated", "number_changed_by_hand", "negated_by_hand",
                "unit_changed_by_hand", "api_invented")  # fmt: skip
TARGETS = {
    "number_changed": 0.85,
    "number_changed_by_hand": 0.85,
    "api_invented": 0.85,
    "negated": 0.6,
    "negated_by_hand": 0.6,
}
"""The smallest share of a kind that has to be rejected."""
MIN_PRECISION = 0.95
MAX_WRONGED = 0.02
"""The largest share of true paraphrases that may be rejected."""
A_KIND = 30
"""Answers of each kind from each corpus and half, where it has so many sentences to make them from."""
SPEED_ROWS = 3_000
RATED_AT_A_TIME = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer, what is wrong with it, and where it comes from."""

    half: str
    corpus: str
    source: str
    kind: str
    prompt: str
    answer: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path, nargs="?")
    parser.add_argument("--half", choices=HALVES)
    parser.add_argument("--show", help="a kind whose answers with another outcome than hoped for are printed")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--verifier", type=Path)
    parser.add_argument("--sha256")
    parser.add_argument("--asked", type=int, default=200)
    parser.add_argument("--kept", type=Path, help="a file of what the model said, which is not asked again")
    options = parser.parse_args()
    with TemporaryDirectory() as made:
        folders = dict(FOLDERS)
        if options.corpora is not None:
            folders["reading"] = write_passages(options.corpora, Path(made) / "reading")
        pairs = [pair for half in HALVES for pair in plant(half, folders)]
        if options.write is not None:
            lines = [json.dumps(asdict(pair), ensure_ascii=False) for pair in pairs]
            options.write.write_text("\n".join(lines) + "\n", encoding="utf-8")
        if options.verifier is not None:
            model = {"use": "embedded", "weights": str(options.verifier.resolve()), "sha256": options.sha256}
            half = options.half or "judge"
            pairs = [pair for pair in pairs if pair.half == half]
            alone = judge_pairs(pairs, folders)
            together = judge_verified(pairs, folders, model, options.asked, options.kept)
            print_figures(f"{half}, rules alone", alone)
            print_figures(f"{half}, with the model", together)
            print_moved(alone, together)
            return
        said = judge_pairs(pairs, folders)
        for half in [options.half] if options.half else HALVES:
            print_figures(half, [(pair, verdict) for pair, verdict in said if pair.half == half])
        if options.show:
            print_misses([s for s in said if s[0].half == (options.half or "develop")], options.show)
        print_speed([pair for pair in pairs if pair.corpus == "policies"], folders)


# sources


def half_of(name: str) -> str:
    return HALVES[hashlib.sha256(name.encode()).digest()[0] % 2]


def write_passages(corpora: Path, folder: Path) -> Path:
    """The passages of ordinary/rc_en as text files, at most 60."""
    folder.mkdir()
    seen: dict[str, None] = {}
    for line in (corpora / "ordinary" / "rc_en.jsonl").read_text(encoding="utf-8").splitlines():
        passage = json.loads(line)["instruction"].partition("Passage: ")[2].partition("\n\nQuestion:")[0]
        seen.setdefault(passage, None)
    for number, passage in enumerate(list(seen)[:60]):
        (folder / f"passage_{number:02d}.txt").write_text(passage, encoding="utf-8")
    return folder


def read_passages(folder: Path, half: str) -> list[SourcePassage]:
    files = [file for file in find_files([str(folder)]).files if half_of(file.name) == half]
    return [passage for file in files for passage in read_prose(file, lambda *_: None)]


# answers


def plant(half: str, folders: dict[str, Path]) -> Iterator[Pair]:
    """The planted set of one half, the same every time."""
    rng = random.Random(f"grounding {half}")
    everything = {corpus: read_passages(folder, half) for corpus, folder in folders.items()}
    for corpus, passages in everything.items():
        sentences = [
            (passage, said.text)
            for passage in passages
            for said in read_statements(passage.text)
            if 6 <= len(said.text.split()) <= 40
        ]
        rng.shuffle(sentences)
        makers: dict[str, Callable[[str, random.Random], str | None]] = {
            "verbatim": lambda text, _: text,
            "paraphrased": paraphrase,
            "number_changed": change_number,
            "unit_changed": change_unit,
            "negated": negate,
            "condition_dropped": drop_condition,
        }
        for kind, make in makers.items():
            for passage, answer in make_answers(kind, make, sentences, rng):
                asked = f"I have a question about {passage.title.lower() or 'this'}."
                yield Pair(half, corpus, passage.id, kind, asked, answer)
        for other, foreign in everything.items():
            if other != corpus:
                texts = [said.text for passage in foreign for said in read_statements(passage.text)]
                firm = [text for text in texts if re.search(r"\d|\b(can|must|not|cannot)\b", text)]
                for text in rng.sample(firm, min(A_KIND // 2, len(firm))):
                    yield Pair(half, corpus, "", "unrelated", "I have a question.", text)
    yield from plant_calls(half, rng)
    yield from read_hand_written(half)


def make_answers(
    kind: str,
    make: Callable[[str, random.Random], str | None],
    sentences: Sequence[tuple[SourcePassage, str]],
    rng: random.Random,
) -> Iterator[tuple[SourcePassage, str]]:
    made = 0
    for passage, text in sentences:
        answer = make(text, rng) if made < A_KIND else None
        if answer is not None and (answer != text or kind == "verbatim"):
            made += 1
            yield passage, answer


def plant_calls(half: str, rng: random.Random) -> Iterator[Pair]:
    """Calls of public functions and methods of packages as they are, with an invented name, and an invented
    parameter.
    """
    for package in PACKAGES[half]:
        python = open_library([f"package:{package}"], None).python
        assert python is not None
        top = python.modules[package]
        found = []
        for name in sorted(top.members):
            seen = python.find(f"{package}.{name}")
            if name.startswith("_") or isinstance(seen, str) or seen.sort not in {"function", "class"}:
                continue
            members = [f"{name}({{}})"]
            if seen.sort == "class":
                methods = (each for each in seen.members.values() if each.sort == "function")
                members += [f"{name}.{each.name}" for each in methods if not each.name.startswith("_")][:3]
            found += [f"{package}.{member}" for member in members if "{}" not in member]
            calls = python.list_calls(seen)
            if calls and not any(call.any_keyword or call.required for call in calls):
                found.append(f"{package}.{name}({{}})")
        for dotted in rng.sample(found, min(A_KIND, len(found))):
            call = dotted.replace("{}", "")
            yield Pair(half, "packages", package, "api_true", "How do I do that?", write_code(package, call))
            if "{}" in dotted:
                wrong = dotted.format(f"{rng.choice(PARAMETERS)}=3")
            else:
                wrong = dotted + rng.choice(SUFFIXES)
            yield Pair(
                half, "packages", package, "api_invented", "How do I do that?", write_code(package, wrong)
            )


SUFFIXES = ("_all", "_safely", "_async_iter", "s", "_from_path", "_v2")
PARAMETERS = ("max_retries_count", "use_cache", "verbosity_level", "timeout_seconds")


def write_code(package: str, call: str) -> str:
    return f"Like this:\n\n```python\nimport {package}\n\nresult = {call}\n```"


def read_hand_written(half: str) -> Iterator[Pair]:
    for number, line in enumerate((HERE / "pairs.jsonl").read_text(encoding="utf-8").splitlines()):
        pair = json.loads(line)
        source, kind = pair["source"], pair["kind"]
        if half_of(source or f"{number}") == half:
            corpus = "protocols" if (FOLDERS["protocols"] / source).is_file() and source else "policies"
            kind = kind if kind == "invented" else f"{kind}_by_hand"
            yield Pair(half, corpus, source, kind, "I have a question.", pair["answer"])


SYNONYMS = {
    "choose": "select", "send": "mail", "contact": "get in touch with", "delete": "remove", "need": "require",
    "receive": "get", "begin": "start", "about": "roughly", "check": "verify", "usually": "normally",
    "allow": "let you have", "at once": "right away", "cannot": "can't", "do not": "don't",
    "does not": "doesn't", "is not": "isn't", "are not": "aren't", "must": "has to", "may": "can",
    "more than": "over", "also": "as well",
    "large": "big", "many": "lots of", "however": "but", "near": "close to", "because": "since",
}  # fmt: skip
SAME_LENGTH = {
    "14 days": "two weeks", "7 days": "one week", "24 hours": "one day", "48 hours": "two days",
    "60 minutes": "an hour", "90 seconds": "a minute and a half", "30 seconds": "half a minute",
    "30 minutes": "half an hour", "two years": "24 months", "12 months": "a year", "one year": "12 months",
    "72 hours": "three days",
}  # fmt: skip
WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
LEADS = ("Just so you know: ", "Thanks for asking. ", "Sure. ", "As far as our documents say: ", "In short: ")


def paraphrase(text: str, rng: random.Random) -> str | None:
    """The sentence in other words: synonyms, contractions, units, number words, a condition moved."""
    changed = text
    for old, new in [*SAME_LENGTH.items(), *SYNONYMS.items()]:
        changed = re.sub(rf"(?<![\w-]){old}(?![\w-])", new, changed, count=1)
    changed = re.sub(r"(?<![\w.,£$€:/-])(\d{1,2})(?= [a-z])", lambda m: spell(m[1]), changed, count=1)
    moved = re.fullmatch(r"(If|When) ([^,;.]+), ([^;.]+)\.", changed)
    if moved:
        main = moved[3][0].upper() + moved[3][1:]
        changed = f"{main} {moved[1].lower()} {moved[2]}."
    return rng.choice(LEADS) + changed if changed != text else None


def spell(digits: str) -> str:
    return WORDS[int(digits)] if int(digits) < len(WORDS) else digits


def change_number(text: str, rng: random.Random) -> str | None:
    """The sentence with one number replaced."""
    spots = list(
        re.finditer(r"(?<![\w.,:/-])(\d{1,4})(?![\w,:/]|\.\d)(?=\b)|\b(two|three|four|five|six|ten)\b", text)
    )
    spots = [s for s in spots if not re.search(r"[A-Z]\w*\s?$", text[: s.start()])]
    if not spots:
        return None
    spot = rng.choice(spots)
    if spot[2]:
        new = rng.choice(
            [word for word in ("two", "three", "four", "five", "seven", "nine") if word != spot[2]]
        )
    else:
        old = int(spot[1])
        new = str(rng.choice([n for n in (old * 2, old * 3, old + 5, max(1, old // 2), old + 1) if n != old]))
    return text[: spot.start()] + new + text[spot.end() :]


UNITS = [
    ("minutes", "hours"), ("hours", "days"), ("days", "weeks"), ("seconds", "minutes"), ("months", "years"),
    ("years", "months"), ("weeks", "days"), ("kilobytes", "megabytes"), ("megabytes", "kilobytes"),
    ("gigabytes", "megabytes"), ("m", "km"), ("cm", "m"), ("percent", "dollars"), ("GHz", "MHz"), ("W", "kW"),
    ("octets", "kilobytes"), ("miles", "feet"), ("kilometres", "metres"),
]  # fmt: skip


def change_unit(text: str, rng: random.Random) -> str | None:
    """The sentence with one unit replaced by another of another size, or a currency by another."""
    number = r"(\d[\d.,]*|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|thirty))"
    spots = [
        (match.start(2), match.end(2), new)
        for old, new in UNITS
        for match in re.finditer(rf"{number} ({old})\b(?! \()", text)
    ]
    if not spots:
        return None
    start, end, new = rng.choice(spots)
    return text[:start] + new + text[end:]


DENIALS = [
    (r"\bcannot\b", "can"), (r"\bcan(?!not)\b", "cannot"), (r"\bmay\b", "may not"), (r"\bmust not\b", "must"),
    (r"\bmust\b", "need not"), (r"\bdoes not (\w+)\b", r"does \1"), (r"\bdo not\b", "do"), (r"\bis not\b",
    "is"), (r"\bare not\b", "are"), (r"\bis\b", "is not"), (r"\bare\b", "are not"), (r"\bwill\b", "will not"),
    (r"\bwas\b", "was not"), (r"\bwere\b", "were not"), (r"\bnever\b", "always"),
]  # fmt: skip


def negate(text: str, rng: random.Random) -> str | None:
    """The sentence with its first fitting verb denied, or no longer denied."""
    if re.search(r"\b(if|unless|when|only|until|without|nor|neither|no)\b", text, re.IGNORECASE):
        return None
    for pattern, new in DENIALS:
        match = re.search(pattern, text)
        if match:
            return text[: match.start()] + match.expand(new) + text[match.end() :]
    return None


def drop_condition(text: str, rng: random.Random) -> str | None:
    """The sentence without its condition."""
    fronted = re.fullmatch(r"(?:If|Unless|Without|As long as) [^,;]+, ([^;]+)", text)
    if fronted:
        return fronted[1][0].upper() + fronted[1][1:]
    behind = re.fullmatch(r"([^;]+?),? (?:if|unless|only if|provided|as long as) [^;]+\.", text)
    return f"{behind[1]}." if behind and len(behind[1].split()) > 3 else None


# judging


def judge_pairs(pairs: Sequence[Pair], folders: dict[str, Path]) -> list[tuple[Pair, dict[str, Any]]]:
    """Each pair with its verdict, judged with the whole of its corpus as sources."""
    said: list[tuple[Pair, dict[str, Any]]] = []
    for corpus in sorted({pair.corpus for pair in pairs}):
        mine = [pair for pair in pairs if pair.corpus == corpus]
        judge = open_judge(corpus, folders)
        said += zip(mine, judge.judge(build_rows(mine), {}).to_pylist(), strict=True)
    return said


def judge_verified(
    pairs: Sequence[Pair], folders: dict[str, Path], model: dict[str, Any], most: int, kept: Path | None
) -> list[tuple[Pair, dict[str, Any]]]:
    """Each pair with its verdict, where a model reads what rules leave in doubt of `most` answers a corpus.

    What is found in `kept` is not asked again, and every rate is written to it as it comes.
    """
    teacher = {**model, "prompts": "chat", "timeout_s": 3_000.0}
    verifier = TeacherVerifier(use="teacher", rows=most, teacher=teacher)
    resources = KeptRates(kept)
    said: list[tuple[Pair, dict[str, Any]]] = []
    for corpus in sorted({pair.corpus for pair in pairs}):
        mine = [pair for pair in pairs if pair.corpus == corpus]
        table, judge, state = build_rows(mine), open_judge(corpus, folders), {}
        if corpus in folders:
            judge = factuality(resources, sources=[str(folders[corpus])], verifier=verifier)
            [step] = judge.rounds
            state = dict(step.merge([step.sketch(table, {})], {}))
        said += zip(mine, judge.judge(table, state).to_pylist(), strict=True)
    print(f"\n{resources.asked} questions, {resources.cpu_s:.0f} CPU s; {resources.found} more were kept")
    return said


class KeptRates(NoResources):
    """The language model of a verifier, and what it said before."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.asked = self.found = 0
        self.cpu_s = 0.0

    def make_rater(self, teacher: Mapping[str, Any], where: str) -> Rate:
        rate = RunResources(perimeter="local").make_rater(teacher, where)

        def look(questions: Sequence[str]) -> list[float | None]:
            known = self._read()
            new = [question for question in questions if question not in known]
            self.found += len(questions) - len(new)
            for first in range(0, len(new), RATED_AT_A_TIME):
                block = new[first : first + RATED_AT_A_TIME]
                started = time.process_time()
                rates = dict(zip(block, rate(block), strict=True))
                self.asked, self.cpu_s = self.asked + len(block), self.cpu_s + time.process_time() - started
                known |= rates
                if self.path is not None:
                    with self.path.open("a", encoding="utf-8") as file:
                        file.writelines(json.dumps(each) + "\n" for each in rates.items())
            return [known[question] for question in questions]

        return look

    def _read(self) -> dict[str, float | None]:
        if self.path is None or not self.path.is_file():
            return {}
        return dict(json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines())


def open_judge(corpus: str, folders: dict[str, Path]) -> Judge:
    packages = [f"package:{name}" for half in HALVES for name in PACKAGES[half]]
    return factuality(NoResources(), sources=[str(folders[corpus])] if corpus in folders else packages)


def build_rows(pairs: Sequence[Pair]) -> pa.Table:
    return build_candidates(
        {
            "kind": "instruction",
            "messages": [
                {"role": "user", "content": pair.prompt},
                {"role": "assistant", "content": pair.answer},
            ],
            "text": f"{pair.prompt}\n\n{pair.answer}",
            "attachments": [],
            "generator": "grounding",
            "generator_version": "1",
            "draw": draw,
            "replayable": True,
        }
        for draw, pair in enumerate(pairs)
    )


def print_moved(
    alone: Sequence[tuple[Pair, dict[str, Any]]], together: Sequence[tuple[Pair, dict[str, Any]]]
) -> None:
    """The answers of which the model made another thing than the rules."""
    moves = Counter(
        (pair.kind, before["outcome"], after["outcome"])
        for (pair, before), (_, after) in zip(alone, together, strict=True)
        if before["outcome"] != after["outcome"]
    )
    print("\nwhat the model moved:")
    for (kind, before, after), n in sorted(moves.items()):
        print(f"  {kind:26}{n:>4}  {before} -> {after}")


def is_contradicted(verdict: dict[str, Any]) -> bool:
    return bool(verdict["outcome"] == "reject")


def print_figures(half: str, said: Sequence[tuple[Pair, dict[str, Any]]]) -> None:
    print(f"\n{half}: {len(said)} answers")
    print(f"{'kind':26}{'n':>5}{'reject':>9}{'interval':>17}{'hold':>7}{'abstain':>9}{'accept':>8}  target")
    kinds = defaultdict(list)
    for pair, verdict in said:
        kinds[pair.kind].append(verdict["outcome"])
    for kind in sorted(kinds):
        counts, n = Counter(kinds[kind]), len(kinds[kind])
        shares = [f"{counts[outcome] / n:.3f}" for outcome in ("reject", "hold", "abstain", "accept")]
        low, high = wilson(counts["reject"], n)
        told = f" ({low:.3f} to {high:.3f}){shares[1]:>7}{shares[2]:>9}{shares[3]:>8}  {name_target(kind)}"
        print(f"{kind:26}{n:>5}{shares[0]:>9}{told}")
    calls = [pair for pair, verdict in said if is_contradicted(verdict)]
    right = sum(pair.kind in CONTRADICTED for pair in calls)
    low, high = wilson(right, len(calls))
    share = right / max(1, len(calls))
    told = f"{share:.3f} ({low:.3f} to {high:.3f}), target {MIN_PRECISION:g}"
    print(f"precision of a contradiction: {right} of {len(calls)}, {told}")
    print(
        "  wrong ones by kind:", dict(Counter(pair.kind for pair in calls if pair.kind not in CONTRADICTED))
    )


def name_target(kind: str) -> str:
    if kind in TARGETS:
        return f"reject {TARGETS[kind]:g} or more"
    return f"reject {MAX_WRONGED:g} or less" if kind in TRUE_KINDS else ""


def print_misses(said: Sequence[tuple[Pair, dict[str, Any]]], kind: str) -> None:
    hoped = "accept" if kind in TRUE_KINDS else "reject"
    for pair, verdict in said:
        if pair.kind == kind and verdict["outcome"] != hoped:
            said_of_it = f"{verdict['outcome']} {verdict['reason_class']}: {verdict['reason']}"
            print(f"\n[{pair.corpus}] {pair.answer}\n  {said_of_it}")


def print_speed(pairs: Sequence[Pair], folders: dict[str, Path]) -> None:
    """Rows per second on one core, answers of two sentences, no two rows alike."""
    rng = random.Random(1)
    two = [
        Pair("", "policies", "", "", rng.choice(pairs).prompt, f"{a.answer} {b.answer}")
        for a, b in zip(rng.choices(pairs, k=SPEED_ROWS), rng.choices(pairs, k=SPEED_ROWS), strict=True)
    ]
    judge, rows = open_judge("policies", folders), build_rows(two)
    started = time.process_time()
    judge.judge(rows, {})
    print(f"\n{SPEED_ROWS / (time.process_time() - started):,.0f} rows a CPU second by rules, one process")


if __name__ == "__main__":
    main()
