"""Judges ordinary public rows by the gates of a gate file: what is turned away, and how much of it wrongly.

    python benchmarks/ordinary.py ../shared/data
    python benchmarks/ordinary.py ../shared/data --gates curator_configs/strict.yaml --rows 300 --only dolly

Each corpus is curated as its user would: as a file, with the languages that it is in, against the test sets
of exams, and without canaries. Whether a row was turned away rightly is what the labels in benchmarks/labels
say (labels.py); a row without one counts as wrong, and one that is arguable as neither. Then a mix of
ordinary judge rows with 2% planted defects (defects.py) tells of what each gate turns away which share is
right, beside the share of each kind of defect that is caught. --away FILE writes every claim with its text,
--unlabelled FILE those that wait for a label, and --accepted FILE a sample of accepted rows.
"""

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from defects import DEFECTS, Planted, plant
from labels import ACCEPTED, MISSED, Claim, Labels, describe_agreement, draw, read_labels, weigh
from ordinary_corpora import SPOILT, OrdinaryCorpus, find_eval_sets, read_corpora, read_hatecheck, write_jsonl
from ordinary_findings import Away, Findings, read_findings

from synth_stack import curate
from synth_stack.files import digest_file
from synth_stack.inputs.gate_file import NamedEvalSet
from synth_stack.stats.intervals import wilson

STANDARD = Path(__file__).parents[1] / "curator_configs" / "standard.yaml"
MAX_WRONG = 0.005
MAX_WRONG_IN_ALL = 0.015
MIN_RIGHT = {"reject": 0.9, "hold": 0.5}
"""The targets: wrong share of a gate and of all gates together, right share of what is rejected and held."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--gates", type=Path, default=STANDARD)
    parser.add_argument("--rows", type=int, default=2000, help="of a corpus, at most")
    parser.add_argument("--mix-rows", type=int, default=5000, help="of the mix; 0: no mix")
    parser.add_argument("--only", default="", help="names of corpora, with commas")
    parser.add_argument("--side", choices=("develop", "judge"), help="only the corpora of one side")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--runs", type=Path, help="keep the run folders here")
    parser.add_argument("--reread", action="store_true", help="read them there, and judge nothing again")
    parser.add_argument("--away", type=Path)
    parser.add_argument("--unlabelled", type=Path)
    parser.add_argument("--accepted", type=Path, help="write a sample of accepted judge rows, to be read")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ordinary-") as name:
        measure(args, args.runs or Path(name))


def measure(args: argparse.Namespace, work: Path) -> None:
    """The whole of it: each corpus, the mix, HateCheck, and the tables."""
    corpora, absent = read_corpora(args.corpora, args.rows, args.seed)
    if args.only:
        corpora = [corpus for corpus in corpora if corpus.name in args.only.split(",")]
    corpora = [corpus for corpus in corpora if args.side in {None, corpus.side}]
    labels = read_labels()
    bench = Bench(args.gates, find_eval_sets(args.corpora, work), work, args.reread)
    found = {corpus.name: bench.run(corpus) for corpus in corpora}
    for name in absent:
        print(f"absent, skipped: {name}")
    sides = {corpus.name: corpus.side for corpus in corpora}
    weights = weigh_all(found.values(), labels)
    for side in dict.fromkeys(sides.values()):
        print_side(side, [f for f in found.values() if sides[f.corpus] == side], weights)
    print_labels(found.values(), labels)
    base = [c for c in corpora if c.side == "judge" and not c.gates and c.name not in SPOILT]
    mixed, waiting = None, list_unlabelled(found.values(), labels)
    if args.mix_rows and base and not args.only:
        mix = plant(base, args.corpora, args.mix_rows, args.seed)
        mixed = bench.run(OrdinaryCorpus("mix", "judge", mix.records))
        print_mix(mixed, mix.planted, labels, weights)
        waiting += [
            a for a in mixed.away if a.row not in mix.planted and not is_known(a.claim, labels, weights)
        ]
    if "toxicity" in bench.gates and (not args.only or "hatecheck" in args.only):
        print_hatecheck(bench, args.corpora)
    everything = [away for f in [*found.values(), *([mixed] if mixed else [])] for away in f.away]
    if args.away:
        write_away(args.away, everything, bench)
    if args.unlabelled:
        write_away(args.unlabelled, waiting, bench)
    if args.accepted:
        write_accepted(args.accepted, [f for f in found.values() if sides[f.corpus] == "judge"], bench)


class Bench:
    """Curates corpora with one gate file, each in a folder of its own."""

    def __init__(self, gates: Path, eval_sets: Sequence[NamedEvalSet], work: Path, reread: bool) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self._file = yaml.safe_load(gates.read_text(encoding="utf-8"))
        self._eval_sets = eval_sets
        self._work = work
        self._reread = reread
        self.gates = [use["use"] for use in self._file["gates"]]
        self.digest = digest_file(gates)[:12]

    def run(self, corpus: OrdinaryCorpus, only: str | None = None) -> Findings:
        """The corpus as the gates judge it, or as the gate `only` does."""
        began = time.monotonic()
        uses = [
            {**use, **corpus.gates.get(use["use"], {}), "canaries": 0}
            for use in self._file["gates"]
            if only in {None, use["use"]}
        ]
        gates = self._work / f"{corpus.name}.gates.yaml"
        gates.write_text(yaml.safe_dump({**self._file, "gates": uses}), encoding="utf-8")
        takes = any(use["use"] == "contamination" for use in uses)
        out = self._work / corpus.name
        if not (self._reread and (out / "MANIFEST.json").exists()):
            curate(corpus.write(self._work), gates, out, eval_sets=self._eval_sets if takes else ())
        found = read_findings(corpus.name, out)
        print(f"{corpus.name}: {found.rows:,} rows in {time.monotonic() - began:.0f} s", flush=True)
        return found


Weights = dict[tuple[str, Claim], float]


def weigh_all(found: Iterable[Findings], labels: Labels) -> Weights:
    """How likely each claim is wrong, by corpus and claim."""
    weights: Weights = {}
    for findings in found:
        for claims in _group(findings).values():
            for claim, weight in weigh(claims, labels).items():
                weights[findings.corpus, claim] = weight
    return weights


def _group(findings: Findings) -> dict[tuple[str, str], list[Claim]]:
    """The claims of a corpus by gate and class, each once."""
    groups: dict[tuple[str, str], dict[Claim, None]] = defaultdict(dict)
    for away in findings.away:
        groups[away.claim.gate, away.claim.reason_class][away.claim] = None
    return {key: list(claims) for key, claims in groups.items()}


def count_wrong(away: Iterable[Away], weights: Weights) -> float:
    """How many of the rows were turned away wrongly: a row with one right claim is not."""
    rows: dict[tuple[str, int], float] = {}
    for one in away:
        key = (one.corpus, one.row)
        rows[key] = min(rows.get(key, 1.0), weights[one.corpus, one.claim])
    return sum(rows.values())


def print_side(side: str, found: Sequence[Findings], weights: Weights) -> None:
    """Of each corpus of a side by gate and class what was turned away, then the side by gate and in all."""
    print(f"\n{side} corpora: share turned away, and share turned away wrongly, of the rows looked at")
    for f in found:
        print(_line(f"{f.corpus:18} all gates", f.away, f.rows, weights, MAX_WRONG_IN_ALL))
        for gate, reason_class in sorted(_group(f)):
            mine = [a for a in f.away if (a.claim.gate, a.claim.reason_class) == (gate, reason_class)]
            print(_line(f"{'':18} {reason_class}", mine, f.looked[gate], weights, None))
    print(f"{side} in all")
    for gate in dict.fromkeys(gate for f in found for gate in f.looked):
        mine = [a for f in found for a in f.away if a.claim.gate == gate]
        print(_line(gate, mine, sum(f.looked.get(gate, 0) for f in found), weights, MAX_WRONG))
    everything = [a for f in found for a in f.away]
    print(_line("all gates", everything, sum(f.rows for f in found), weights, MAX_WRONG_IN_ALL))


def _line(what: str, away: Sequence[Away], rows: int, weights: Weights, target: float | None) -> str:
    turned = len({(a.corpus, a.row) for a in away})
    wrong = count_wrong(away, weights)
    end = "" if target is None else f"  target {target:.1%} {'met' if wrong <= target * rows else 'MISSED'}"
    return f"  {what:50} {show_share(turned, rows)}  wrongly {show_share(wrong, rows)}{end}"


def show_share(count: float, rows: int) -> str:
    """A share with its interval (Wilson), an estimated count at its nearest whole number."""
    low, high = wilson(min(round(count), rows), rows)
    return f"{count:6.1f} of {rows:6,} {count / max(rows, 1):7.2%} ({low:.2%} to {high:.2%})"


def print_labels(found: Iterable[Findings], labels: Labels) -> None:
    """What the figures rest on: labels, agreement, missing ones, and what was missed in accepted rows."""
    found = list(found)
    read = {f.corpus: set(f.digests) for f in found}
    print(f"\n{describe_agreement(labels)}")
    if absent := labels.list_absent(read):
        print(f"{len(absent)} labels are about rows that are not among those read")
    print(f"{len(list_unlabelled(found, labels))} claims wait for a label and count as wrong")
    kept = {f.digests[row] for f in found for row in f.accepted}
    seen = [x for claim, x in labels.first.items() if claim.gate == MISSED and claim.digest in kept]
    if seen:
        missed = sum(label.verdict == "wrong" for label in seen)
        print(
            f"accepted rows that were read and should have been turned away: {show_share(missed, len(seen))}"
        )


def print_mix(mixed: Findings, planted: Mapping[int, Planted], labels: Labels, weights: Weights) -> None:
    """The right share of what each gate rejects and holds in the mix, and what it catches of each kind.

    Of an ordinary row without a label, the sample of its corpus says how likely the claim is wrong.
    """
    sampled = {claim: weight for (_, claim), weight in weights.items()}
    print(f"\nmix: {mixed.rows:,} rows, {len(planted):,} with a planted defect")
    cells: dict[tuple[str, str], list[float]] = defaultdict(list)
    arguable: Counter[tuple[str, str]] = Counter()
    caught: set[int] = set()
    for away in mixed.away:
        cell = (away.claim.gate, "hold" if away.outcome == "hold" else "reject")
        defect = planted.get(away.row)
        if defect is not None and away.claim.gate in DEFECTS[defect.kind].gates:
            caught.add(away.row)
            cells[cell].append(1.0)
            continue
        verdict = labels.find(away.claim)
        if verdict == "arguable":
            arguable[cell] += 1
        else:
            wrong = sampled.get(away.claim, 1.0) if verdict is None else float(verdict == "wrong")
            cells[cell].append(1.0 - wrong)
    for (gate, outcome), right in sorted(cells.items()):
        target = MIN_RIGHT[outcome]
        end = "met" if sum(right) >= target * len(right) else "MISSED"
        told = f"right {show_share(sum(right), len(right))}, {arguable[gate, outcome]} arguable"
        print(f"  {gate:18} {outcome:8} {told}  target {target:.0%} {end}")
    for kind in (kind for kind, defect in DEFECTS.items() if defect.gates & mixed.looked.keys()):
        rows = [row for row, defect in planted.items() if defect.kind == kind]
        pairs = {planted[row].pair for row in rows}
        hit = {planted[row].pair for row in rows if row in caught}
        print(f"  caught of {kind:24} {show_share(len(hit), len(pairs))}")


def print_hatecheck(bench: Bench, corpora: Path) -> None:
    """What the toxicity gate makes of HateCheck: both shares that it turns away, and the AUC of its score."""
    try:
        cases = read_hatecheck(corpora)
    except FileNotFoundError:
        print("absent, skipped: hatecheck")
        return
    records = [{"text": text} for text, _ in cases]
    found = bench.run(OrdinaryCorpus("hatecheck", "judge", records), only="toxicity")
    away = {a.row for a in found.away}
    for hateful in (True, False):
        mine = [row for row, (_, label) in enumerate(cases) if label == hateful]
        name = "hateful" if hateful else "not hateful"
        print(f"  hatecheck, {name:12} turned away {show_share(len(away & set(mine)), len(mine))}")
    scores = found.scores.get("toxicity", {})
    bad, good = (
        [scores.get(row, 0.0) for row, (_, x) in enumerate(cases) if x == want] for want in (True, False)
    )
    wins = sum((b > g) + 0.5 * (b == g) for b in bad for g in good)
    print(f"  hatecheck, AUC of the score {wins / (len(bad) * len(good)):.3f}")


def is_known(claim: Claim, labels: Labels, weights: Weights) -> bool:
    """Whether a label or the sample of a corpus tells of a claim on an ordinary row of the mix."""
    return labels.find(claim) is not None or claim in {told for _, told in weights}


def list_unlabelled(found: Iterable[Findings], labels: Labels) -> list[Away]:
    """The claims of the samples that nobody has labelled."""
    listed = []
    for findings in found:
        wanted = {c for group in _group(findings).values() for c in draw(group) if labels.find(c) is None}
        listed += list({a.claim: a for a in findings.away if a.claim in wanted}.values())
    return listed


def write_away(path: Path, away: Iterable[Away], bench: Bench) -> None:
    write_jsonl(path, (_show_away(one, bench) for one in away))


def _show_away(one: Away, bench: Bench) -> dict[str, Any]:
    told = {"corpus": one.corpus, "outcome": one.outcome, "gates": bench.digest, "text": one.text}
    return {**asdict(one.claim), **told, "other": one.other, "evidence": one.evidence}


def write_accepted(path: Path, found: Iterable[Findings], bench: Bench, count: int = 60) -> None:
    """A sample of accepted rows, spread over the corpora, as claims of no gate."""
    piles: list[list[Away]] = []
    for f in found:
        untouched = set(f.accepted) - {one.row for one in f.away}
        rows = {Claim(f.digests[row], MISSED, ACCEPTED): row for row in sorted(untouched)}
        drawn = draw(list(rows), count)
        piles.append([Away(f.corpus, rows[c], "accept", c, f.texts[rows[c]]) for c in reversed(drawn)])
    chosen: list[Away] = []
    while len(chosen) < count and any(piles):
        chosen += [pile.pop() for pile in piles if pile]
    write_away(path, chosen[:count], bench)


if __name__ == "__main__":
    main()
