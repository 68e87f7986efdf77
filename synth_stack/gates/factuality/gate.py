"""Answers that are true to their sources: documents of the row, of the recipe, of a folder, of a package.

Claims are taken from the answer by rules (statements.py, quantities.py) and held against the sentences that
retrieval finds (retrieval.py, agreement.py, claims.py); code is held against packages and API descriptions
that were read and never run (code_check.py, openapi.py). A model may read what rules leave in doubt
(verifier.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth_stack.gates.factuality.answers import Answered, read_answers
from synth_stack.gates.factuality.canaries import KINDS, plant_claims, plant_controls
from synth_stack.gates.factuality.checker import Checked, check_answers
from synth_stack.gates.factuality.claims import FLOOR
from synth_stack.gates.factuality.code_check import CodeFinding
from synth_stack.gates.factuality.library import Library, open_library
from synth_stack.gates.factuality.source_rewrite import (
    Check,
    SourceRewrite,
    name_replaced,
    rewrite_rows,
)
from synth_stack.gates.factuality.tokens import mask_code
from synth_stack.gates.factuality.verdicts import (
    LANGUAGE,
    NO_ANSWER,
    NO_SOURCE,
    CodeSettings,
    FactualityRules,
    Setting,
    decide,
    list_dials,
)
from synth_stack.gates.factuality.verifier import (
    EntailmentVerifier,
    TeacherVerifier,
    Verifier,
    add_opinions,
    choose_rows,
    sketch_doubts,
    verify_by_entailment,
    verify_by_teacher,
)
from synth_stack.gates.gate import Judge, Round, State
from synth_stack.gates.resources import Resources
from synth_stack.gates.row_verdicts import RowVerdict, write_row_verdicts
from synth_stack.models.embedders import load_embedder
from synth_stack.models.entailment import load_entailer
from synth_stack.registry import FilePath, gate
from synth_stack.text.fields import find_canaries

_CODE = CodeSettings()
_MIN_WORDS = 16
_ENGLISH = frozenset(
    """the of and to is are you your for with that this it not can will be from by at if we which was were
    has have than within after before when but all""".split()
)
_ENGLISH_SHARE = 0.04
"""Of the words of English answers a quarter are among these; of those of another language hardly any."""


@gate("factuality", version="2", reads=("content", "documents"), harm="truth")
def factuality(
    resources: Resources,
    *,
    sources: list[FilePath] | None = None,
    max_contradiction: Annotated[float, Field(ge=FLOOR, le=1)] = 0.6,
    max_not_found: Annotated[float, Field(ge=0, le=1)] = 0.4,
    conditions: Setting = "hold",
    contacts: Setting = "hold",
    code: CodeSettings = _CODE,
    embedding: Literal["wordllama"] | None = "wordllama",
    verifier: Annotated[EntailmentVerifier | TeacherVerifier, Field(discriminator="use")] | None = None,
    rewrite: SourceRewrite | None = None,
) -> Judge:
    """A judge that rejects an answer which its sources contradict, and holds one that they do not bear out.

    `sources` are files, folders and `package:<name>`; null stands for the recipe's documents. A row's own
    `documents` are read first, and decide where they speak of a claim. What the assistant says is judged, in
    a comparison what the chosen side says, and the text of a row without roles.

    A claim is supported, contradicted, not found or in doubt, with the sentence of a source as evidence. A
    row is rejected when a contradiction is as sure as `max_contradiction`; held when it leaves out a
    condition of its source (`conditions`), names a contact route that no source has (`contacts`), or when
    more than `max_not_found` of its settled claims are found nowhere, which is its score. `code` says what
    becomes of Python that does not parse, or is not as its package is.

    With `rewrite`, which asks for a place at the top of the gate file, a row that a passage can mend is
    written again by a teacher; a new answer that the rules accept becomes a row, and its original is rejected
    for it.

    It abstains where there is no answer, no source, no claim, another language than English, where two
    sources say the opposite of each other, and where rules alone cannot tell.

    Raises InputError for sources, MissingExtra and ModelError for models, ConfigError for a teacher.
    """
    named = sources
    if named is None:
        named = [str(resources.documents)] if resources.documents is not None else []
    library = open_library(named, load_embedder(embedding) if embedding else None)
    rules = FactualityRules(max_contradiction, max_not_found, conditions, contacts, code)
    verify, told = _open_verifier(verifier, resources)

    def read(table: pa.Table) -> tuple[list[Answered], list[list[Checked]]]:
        rows = read_answers(table)
        return rows, check_answers(library.index, rows)

    def sketch(table: pa.Table, _: State) -> pa.Table:
        return sketch_doubts(table, find_canaries(table).tolist(), read(table)[1])

    def judge(table: pa.Table, state: State) -> pa.Table:
        rows, checked = read(table)
        if verify is not None:
            checked = add_opinions(verify, table, state, checked)
        said = [_judge_row(library, *each, rules) for each in zip(rows, checked, strict=True)]
        if rewrite is not None:
            said = name_replaced(table, state, said)
        return _state_verdicts(table, said, rules)

    def check(table: pa.Table) -> list[tuple[RowVerdict, Sequence[Checked]]]:
        rows, checked = read(table)
        said = [_judge_row(library, *each, rules) for each in zip(rows, checked, strict=True)]
        return list(zip(said, checked, strict=True))

    rounds = [] if verifier is None else [Round(sketch, partial(choose_rows, rows=verifier.rows))]
    return Judge(
        judge=judge,
        rounds=tuple(rounds),
        amend=_open_rewriter(rewrite, resources, check),
        reads_replaced=rewrite is not None,
        facts={"sources": dict(library.facts), "verifier": told},
        plant=partial(plant_claims, library),
        control=partial(plant_controls, library),
        bars=KINDS,
        off=_list_off(rules),
        dials=list_dials(rules),
        alone=_find_alone(sources, asks=verifier is not None or rewrite is not None),
    )


def _open_verifier(
    verifier: EntailmentVerifier | TeacherVerifier | None, resources: Resources
) -> tuple[Verifier | None, Mapping[str, Any] | None]:
    if verifier is None:
        return None, None
    if isinstance(verifier, EntailmentVerifier):
        entailer = load_entailer(verifier.weights, verifier.sha256, verifier.device)
        files = {verifier.weights.rpartition("/")[2]: verifier.sha256}
        return verify_by_entailment(entailer, verifier.threshold), {**entailer.facts, "files": files}
    rate = resources.make_rater(verifier.teacher, "factuality: verifier")
    bars = {"supported": verifier.supported, "denied": verifier.denied}
    return verify_by_teacher(rate, **bars), {"teacher": str(verifier.teacher.get("use")), **bars}


def _open_rewriter(
    rewrite: SourceRewrite | None, resources: Resources, check: Check
) -> Callable[[pa.Table, State], pa.Table] | None:
    if rewrite is None:
        return None
    ask = resources.make_writer(rewrite.teacher, "factuality: rewrite")
    return partial(rewrite_rows, ask, rewrite.name_model(), check)


def _find_alone(sources: Sequence[str] | None, *, asks: bool) -> str | None:
    """Why the judge works in one process only."""
    if asks:
        return "it asks a model"
    return "its sources are the recipe's documents" if sources is None else None


def _list_off(rules: FactualityRules) -> tuple[str, ...]:
    settings = {
        "condition_dropped": rules.conditions,
        "contact_changed": rules.contacts,
        "invented_api": rules.code.invented_name,
        "invented_parameter": rules.code.invented_parameter,
        "code_syntax": rules.code.syntax,
    }
    return tuple(kind for kind, setting in settings.items() if setting == "ignore")


def _judge_row(
    library: Library, answered: Answered, checked: Sequence[Checked], rules: FactualityRules
) -> RowVerdict:
    if not answered.said:
        return RowVerdict("abstain", None, "there is no answer to read", NO_ANSWER)
    code: list[CodeFinding] = [
        finding._replace(path=said.path)
        for said in answered.said
        for finding in library.check_code(said.content)
    ]
    if not code and library.is_empty and answered.shelf is None:
        return RowVerdict("abstain", None, "there is no source to check the answer against", NO_SOURCE)
    if not code and _is_other_language(answered):
        return RowVerdict("abstain", None, "the answer is not in English, which the rules read", LANGUAGE)
    return decide(checked, code, rules)


def _is_other_language(answered: Answered) -> bool:
    words = [word for said in answered.said for word in re.findall(r"\w+", mask_code(said.content).lower())]
    letters = "".join(words)
    if letters and sum(not c.isascii() for c in letters) > 0.5 * len(letters):
        return True
    return len(words) >= _MIN_WORDS and sum(w in _ENGLISH for w in words) <= _ENGLISH_SHARE * len(words)


def _state_verdicts(table: pa.Table, said: Sequence[RowVerdict], rules: FactualityRules) -> pa.Table:
    return write_row_verdicts(table, "factuality", said, threshold=rules.max_not_found)
