"""The dataset card: the Hub's metadata, and what a reader has to know before training on the rows.

Everything that a recipe, a template or a row brings in is escaped (markdown.py). The figures stand
between two markers (card_figures.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from synth_stack.packs import layout
from synth_stack.packs.card.examples import render_examples
from synth_stack.packs.card.figures import format_count, format_share, render_figures
from synth_stack.packs.card.header import build_metadata, name_title
from synth_stack.packs.card.images import render_images, render_licences
from synth_stack.packs.card.ledger_place import render_place
from synth_stack.packs.card.markdown import bullets, code, fence, fold, prose, table
from synth_stack.packs.card.shares import render_shares
from synth_stack.packs.counts import Counts
from synth_stack.packs.disclosure.facts import Disclosure
from synth_stack.packs.splits import ADVERSARIAL, TRAIN
from synth_stack.runs.locks import GateLock, PerimeterLock, RecipeLock, RetryLock, SourceLock, TeacherLock


def render_card(
    recipe: RecipeLock,
    gates: Sequence[GateLock],
    counts: Counts,
    *,
    told: Disclosure,
    signature: str,
    place: Mapping[str, Any] | None = None,
    withdrawn: Mapping[str, Any] | None = None,
    cosigners: Sequence[str] = (),
) -> str:
    """README.md of a pack, the same for the same arguments: `verify` writes it again and compares every byte.

    `told` is what the other documents tell too; `signature` is "local" or "sigstore"; `place` is that of the
    batch in a ledger, and `withdrawn` what became of rows since an earlier issue, as they are signed.
    """
    metadata = yaml.safe_dump(build_metadata(recipe, counts, withdrawn), sort_keys=False, allow_unicode=True)
    sections = [
        f"# {prose(name_title(recipe))}",
        _render_summary(recipe, counts, withdrawn),
        "## Load",
        *_render_load(counts),
        *render_images(counts.images),
        *_render_withdrawn(withdrawn),
        "## Verify",
        fence(_VERIFY, "sh"),
        _VERIFY_NOTE,
        fence(_SINGLE_FILE, "sh"),
        _SINGLE_FILE_NOTE,
        *render_examples(counts.data.examples),
        "## Licence, terms and synthetic share",
        _SHARES_NOTE,
        *render_shares(told),
        "## Not checked",
        bullets([_render_unchecked(said, names) for said, names in told.unchecked]),
        "## Known biases",
        _render_statements(told.biases),
        "## Figures",
        _FIGURES_NOTE,
        render_figures(counts, gates),
        "## Gates",
        *_render_gates(gates, counts),
        "## How the rows were made",
        *_render_making(recipe),
        "## Other documents",
        _DOCUMENTS,
        "## Signature",
        _render_signature(told, signature, counts),
        *_render_cosigners(cosigners),
        *render_place(place),
    ]
    return f"---\n{metadata}---\n\n" + "\n\n".join(sections) + "\n"


_IMPORT = "from datasets import load_dataset\n"
_LOAD = {
    TRAIN: 'rows = load_dataset("PATH_OR_REPOSITORY", split="train")',
    ADVERSARIAL: 'attempts = load_dataset("PATH_OR_REPOSITORY", "adversarial", split="adversarial")',
    "rejected": 'rejected = load_dataset("PATH_OR_REPOSITORY", "rejected", split="rejected")',
    "held": 'held = load_dataset("PATH_OR_REPOSITORY", "held", split="held")',
}

_ADVERSARIAL = (
    "The prompts in it are meant to be bad, or to look so: attempts to make a model break a policy, orders "
    "hidden in what it is given to read, and harmless requests that resemble these. They are for safety "
    "training and for testing models and filters, and are in no other split. **They are no pairs to imitate "
    "like others:** what an answer has to do differs from row to row. `extra` is JSON, and its "
    "`adversarial` has the `strategy`, the `target_policy` and the `expected_behaviour`:"
)
_BEHAVIOURS = (
    "`refuse`: the prompt asks for what the policy forbids; the answer has to decline",
    "`comply`: the prompt only resembles such a one; the answer has to help",
    "`ignore_injection`: something that the prompt quotes gives orders; the answer has to do what the user "
    "asked, and nothing that was ordered there",
)
_BEHAVIOURS_NOTE = (
    "What the answers were checked for stands under Gates, and which strategies there are under Splits."
)

_VERIFY = """pip install synth-stack
synth-stack verify PATH                  # every file, row and figure
synth-stack verify PATH --key-id KEY_ID  # and that this key signed it
synth-stack verify PATH --row ROW_ID     # one row alone"""

_VERIFY_NOTE = (
    "It works offline, and names the first file or row that is not what was signed. "
    "`synth-stack trace PATH ROW_ID` shows where a row comes from."
)
_SINGLE_FILE = """pip install cryptography
python verify_pack.py PATH"""
_SINGLE_FILE_NOTE = (
    "Where the package cannot be installed, one file does without it: files, signature, tree, decisions, "
    "counts and single rows, and not the Parquet files. `synth-stack verify --emit > verify_pack.py` writes "
    "it. The copy that lies beside this card comes from whoever made the pack: to trust it, compare its "
    "SHA-256 with one that comes another way."
)
_FIGURES_NOTE = (
    "Every figure here is counted from `lineage/` and `data/` by `synth-stack verify`, which writes this "
    "whole card again and compares it byte for byte. The self-tests, and what each gate counted, are what "
    f"the packer measured (`{layout.MEASURES}`): the rows that were planted are in no pack."
)
_SHARES_NOTE = (
    "Counted over the rows in `data/`, whose columns `license`, `output_terms` and `synthetic` say it row by "
    "row. Licence and terms are the recipe's words, and nothing here reads a licence; of a row that is not "
    "known to be synthetic nobody told."
)
_DOCUMENTS = table(
    ("File", "Holds"),
    [
        (f"`{layout.CROISSANT}`", "Croissant 1.1 with its Responsible AI terms and PROV-O"),
        (f"`{layout.SPDX}`", "SPDX 3.0.1, Dataset profile"),
        (f"`{layout.PROVENANCE}`", "the Data & Trust Alliance's Data Provenance Standards 1.0.0"),
        (f"`{layout.TRAINING_SUMMARY}`", "for the EU's public summary of training content"),
    ],
)


def _render_summary(recipe: RecipeLock, counts: Counts, withdrawn: Mapping[str, Any] | None) -> str:
    made = "rows were generated" if recipe.source is None else "rows were read"
    about = f"{prose(recipe.about)}\n\n" if recipe.about else ""
    share = format_share(counts.accepted, counts.rows)
    others = format_count(counts.replacements, "replacement")
    replaced = f", and {others} of some of them" if counts.replacements else ""
    return (
        f"{about}{counts.generated:,} {made}{replaced}; {counts.accepted:,} of them ({share}) were accepted "
        f"{_describe_withdrawn(counts, withdrawn)}. Rejected: {counts.rejected:,}; held for a person to "
        f"decide: {counts.held:,}. "
        "`log/` has one decision a row, with the gate and the reason for every row that was turned away; "
        "`lineage/` has one record a row, and a signature over all of them."
    )


def _describe_withdrawn(counts: Counts, withdrawn: Mapping[str, Any] | None) -> str:
    if withdrawn is None:
        return "and are in `data/`"
    return (
        f"then, of which {withdrawn['rows']:,} were withdrawn since and "
        f"{counts.accepted - withdrawn['rows']:,} are in `data/`"
    )


def _render_withdrawn(withdrawn: Mapping[str, Any] | None) -> list[str]:
    if withdrawn is None:
        return []
    return [
        "## Withdrawn",
        f"{format_count(withdrawn['rows'], 'accepted row')} of an earlier issue of this batch "
        f"(statement {code(withdrawn['statement'])}) are withdrawn, by a list of "
        f"{format_count(withdrawn['entries'], 'tombstone')} with SHA-256 {code(withdrawn['list'])}, which is "
        f"`{layout.REVOKED}`. No data file here has them; their records and digests are in `lineage/`, "
        "and figures of gates and composition count them, for so they were judged. Where a seed or document "
        "was withdrawn, `seeds/` is left out. **Do not train on an earlier issue**: "
        "`synth-stack verify PATH --revoked LIST` says of any copy which of its rows are withdrawn.",
    ]


def _render_load(counts: Counts) -> list[str]:
    names = [split.name for split in counts.splits]
    where = f"the splits {' and '.join(map(code, names))}" if names[1:] else f"the {code(names[0])} split"
    turned = [split.name for split in counts.turned]
    said = f"Only accepted rows are in {where}. The log and the lineage hold the others too"
    if turned:
        said += (
            f": the {' and '.join(map(code, turned))} rows have no text here, and a row each with the gate "
            "and the reason"
        )
    load = [fence("\n".join([_IMPORT, *(_LOAD[name] for name in (*names, *turned))]), "python"), f"{said}."]
    if not counts.adversarial:
        return load
    rows = format_count(counts.adversarial, "accepted row")
    about = f"The split {code(ADVERSARIAL)} holds {rows}. {_ADVERSARIAL}"
    return [*load, "## Adversarial rows", about, bullets(_BEHAVIOURS), _BEHAVIOURS_NOTE]


def _render_making(recipe: RecipeLock) -> list[str]:
    if recipe.source is not None:
        return [_describe_source(recipe.source)]
    lines = [f"Run: {code(recipe.identity)}, made with synth_stack {code(recipe.synth_stack)}"]
    if recipe.seed is not None:
        lines.append(f"Run seed: {recipe.seed}")
    if recipe.corpus is not None:
        corpus = recipe.corpus
        lines.append(
            f"Seed corpus: {format_count(corpus.seeds, 'seed')} in {format_count(corpus.slices, 'slice')}, "
            f"{format_count(corpus.sections, 'document section')}, SHA-256 {code(corpus.sha256)}"
        )
    if recipe.pipeline is not None:
        pipeline = recipe.pipeline
        lines.append(f"A distilabel pipeline: {code(pipeline.name)}, SHA-256 {code(pipeline.sha256)}")
    if recipe.teacher is not None:
        lines += _describe_teacher(recipe.teacher)
    for part, model in sorted(recipe.models.items()):
        lines += _describe_teacher(model, part.capitalize())
    if recipe.reasoning is not None:
        lines.append(_REASONING.get(recipe.reasoning, f"Reasoning: {code(recipe.reasoning)}"))
    if recipe.perimeter is not None:
        lines.append(_describe_perimeter(recipe.perimeter))
    lines += map(_describe_retry, recipe.retries)
    return [bullets(lines), *render_licences(recipe), *_render_methods(recipe), *_render_templates(recipe)]


def _describe_retry(retry: RetryLock) -> str:
    draws = format_count(retry.draws, "draw")
    if not retry.asked_before:
        return f"{draws} without a good row were asked again"
    changed = ", ".join(map(code, sorted(retry.asked_before)))
    return (
        f"{draws} without a good row were asked again in another way; how the rows before them were asked "
        f"stands in {code('retries')} of the recipe lock ({changed}), and in each row"
    )


def _describe_source(source: SourceLock) -> str:
    return (
        f"The rows were not made here. They were read from {code(source.name)} (SHA-256 "
        f"{code(source.sha256)}); how they came about, and under which terms, is for its publisher to say."
    )


_REASONING = {
    "keep": "What a model thought before an answer stands beside it, in `reasoning`, and is not for training",
    "drop": "What a model thought before an answer was dropped",
    "train": "What a model thought before an answer stands in `reasoning`, and is for training",
}


def _describe_teacher(teacher: TeacherLock, part: str = "Teacher") -> list[str]:
    model = code(teacher.model) if teacher.model else "a model that the recipe does not name"
    digest = f"digest {code(teacher.digest)}" if teacher.digest else "no digest: it cannot be told apart"
    said = {**teacher.params, **teacher.sampling}
    sampling = ", ".join(f"{code(str(key))} {code(str(value))}" for key, value in sorted(said.items()))
    replay = (
        "Replayable: the same recipe gives the same rows again, on the same build of the teacher"
        if teacher.replayable
        else "Not replayable: the teacher does not give the same answer twice"
    )
    return [
        f"{part}: {model}, reached by {code(teacher.use)} version {code(teacher.version)}, {digest}",
        f"Parameters and sampling: {sampling or 'none given'}",
        replay,
    ]


def _describe_perimeter(perimeter: PerimeterLock) -> str:
    if perimeter.reach == "open":
        return f"Perimeter {code(perimeter.reach)}: prompts went to the teacher, wherever it runs"
    beyond = format_count(perimeter.allowed_hosts, "host")
    besides = f" or to {beyond} that the recipe allows" if perimeter.allowed_hosts else ""
    return f"Perimeter {code(perimeter.reach)}: prompts went to this machine{besides}, and nowhere else"


def _render_methods(recipe: RecipeLock) -> list[str]:
    if not recipe.methods:
        return []
    lines = [
        (
            code(method.use),
            code(method.version),
            f"{method.share:.3g}",
            "as needed" if method.draws is None else f"{method.draws:,}",
            ", ".join(code(t) for t in method.template_ids) or "none",
            ", ".join(f"{code(str(k))} {code(str(v))}" for k, v in sorted(method.params.items())) or "none",
        )
        for method in recipe.methods
    ]
    return [table(("Method", "Version", "Share #", "Draws #", "Templates", "Parameters"), lines)]


def _render_templates(recipe: RecipeLock) -> list[str]:
    if not recipe.templates:
        return []
    intro = "The prompt templates in full; a slice, a seed or a document section is filled in for each draw."
    return [
        intro,
        *(fold(f"Template {name}", fence(text)) for name, text in sorted(recipe.templates.items())),
    ]


def _render_gates(gates: Sequence[GateLock], counts: Counts) -> list[str]:
    by_name = {gate.gate: gate for gate in counts.gates}
    parts = ["In the order of work, with their parameters and what each gate states of itself."]
    for gate in gates:
        counted = by_name[gate.use]
        judged = counted.looked_at - counted.abstained
        stated = {"params": gate.params, **({"facts": gate.facts} if gate.facts else {})}
        text = yaml.safe_dump(stated, sort_keys=False, allow_unicode=True, width=100)
        parts += [
            f"### {code(gate.use)} version {code(gate.version)}",
            *([prose(gate.why)] if gate.why else []),
            f"It gave an answer on {judged:,} of {format_count(counted.looked_at, 'row')} that it looked at "
            f"({format_share(judged, counted.looked_at)}), and turned away "
            f"{counted.rejected + counted.held:,}.",
            fence(text, "yaml"),
        ]
    return parts


def _render_statements(lines: Sequence[str]) -> str:
    if not lines:
        return "The recipe states none. That is no finding that there are none."
    stated = bullets([prose(line) for line in lines])
    return f"As the recipe states them; nothing here measures them.\n\n{stated}"


def _render_unchecked(said: str, names: Sequence[str]) -> str:
    return f"{prose(said)}: {', '.join(map(code, names))}"


def _render_cosigners(cosigners: Sequence[str]) -> list[str]:
    if not cosigners:
        return []
    keys = format_count(len(cosigners), "further key signs", "further keys sign")
    return [
        f"{keys} the same statement (`{layout.COSIGNATURES}`): {', '.join(map(code, cosigners))}. Ask for "
        "several of the keys that you expect with `--signers 2of3 --keys ID --keys ID --keys ID`."
    ]


def _render_signature(told: Disclosure, signature: str, counts: Counts) -> str:
    tree = (
        f"The Merkle root over the records of {format_count(counts.rows, 'row')} is {code(told.root)}. It is "
        "signed, with the digest of every file, in `lineage/statement.dsse.json`."
    )
    local = (
        f"The key is {code(told.key_id)} (`lineage/public_key.pem`). It is a key of the machine that packed, "
        "and it comes with the pack. So it proves that nothing was changed since, and **not who signed**. "
        "To know who signed, get the key's id from the publisher by another way and pass it with `--key-id`."
    )
    if signature == "local":
        return f"{tree}\n\n{local}"
    identity = (
        "`lineage/bundle.sigstore.json` holds a second signature over the same statement, by an identity "
        "with sigstore. It stands in the bundle's certificate; check that it is the expected one with "
        "`--identity` and `--issuer`."
    )
    return f"{tree}\n\n{identity}\n\n{local}"
