"""Where the rows of a pack come from, as its recipe says it: recomputed from the pack as far as it tells.

The identity of both locks, the digest of the seed corpus, the ids of templates; and for each record the
method, teacher, templates, seed and draw that the recipe names. What was sent to whom, and what came back, no
pack shows.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.errors import InputError, SynthStackError, VerificationError
from synth_stack.files import render_yaml
from synth_stack.inputs.seeds import SEED_SCHEMA, digest_corpus, parse_topics
from synth_stack.inputs.strict_yaml import MAX_FILE_BYTES, parse_yaml
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.refusals import raise_refusals
from synth_stack.packs.shards import read_shard
from synth_stack.packs.statement import read_file
from synth_stack.rows.canonical import canonical_json, derive_seed, digest_bytes
from synth_stack.runs.locks import (
    ACTIONS,
    GATES_SCHEME,
    RECIPE_SCHEMES,
    GatesLock,
    RecipeLock,
    find_identity_fault,
    read_action,
)

Record = Mapping[str, Any]

MAX_SECTIONS_BYTES = 64 * 1024**2
"""The document sections of a corpus, which a prompt takes one of: more than a shelf of handbooks."""
_SHARE_TOLERANCE = 1e-6
"""Shares are written as the decimals of a recipe: thirds do not add up to the last digit."""
MAX_SEEDS = 5_000_000
"""Seeds whose ids are kept to be looked up, some 100 bytes each."""

_TEMPLATE_DIGITS = 12


def require_as_written(name: str, is_so: bool) -> None:
    """Raises VerificationError for a file that holds more than what is read of it: a comment, a space, a key
    that stands twice. A person would read it, and no digest of its words has it.
    """
    if not is_so:
        raise VerificationError(f"{name} is not written as packs have it: it says more than is read of it")


def check_locks(recipe: RecipeLock, gates: GatesLock) -> None:
    """Raises VerificationError for a lock of a scheme that nobody knows, and for one whose identity or
    template ids are not those of what it says.
    """
    locks = ((layout.RECIPE, recipe, RECIPE_SCHEMES), (layout.GATES, gates, (GATES_SCHEME,)))
    for name, lock, schemes in locks:
        if lock.scheme not in schemes:
            raise VerificationError(
                f"{name}: its scheme is none that there is",
                seen=lock.scheme or "none",
                allowed=", ".join(schemes),
            )
        fault = find_identity_fault(lock)
        if fault is not None:
            raise VerificationError(f"{name}: its identity is not that of what it says", seen=fault)
    for template_id, text in recipe.templates.items():
        digest = digest_bytes(text.encode("utf-8"))[:_TEMPLATE_DIGITS]
        if template_id.rpartition("@")[2] != digest:
            raise VerificationError(
                f"{layout.RECIPE}: template {template_id} has another text than its id says", allowed=digest
            )
    _check_methods(recipe)
    _check_dials(gates)
    for method in recipe.methods:
        for template_id in method.template_ids:
            if template_id not in recipe.templates:
                raise VerificationError(
                    f"{layout.RECIPE}: {method.use} asks with a template whose text is not there",
                    seen=template_id,
                )


def _check_methods(recipe: RecipeLock) -> None:
    """Raises VerificationError for a recipe that says less of its rows than any does, or what none can."""
    if not recipe.methods and recipe.source is None and recipe.pipeline is None:
        raise VerificationError(f"{layout.RECIPE} says of no row how it came about: it has no method")
    share = sum(method.share for method in recipe.methods)
    if recipe.methods and abs(share - 1) > _SHARE_TOLERANCE:
        raise VerificationError(f"{layout.RECIPE}: the shares of its methods are not 1 together", seen=share)
    draws = [method.draws for method in recipe.methods]
    if any((draw is None) != (recipe.target is not None) for draw in draws):
        raise VerificationError(
            f"{layout.RECIPE}: a method has draws without end and no target, or a number of them beside one",
            seen=draws,
        )
    for retry in recipe.retries:
        if None not in draws and retry.draws > sum(draw or 0 for draw in draws):
            raise VerificationError(
                f"{layout.RECIPE}: more draws were asked again than there were", seen=retry.draws
            )
    used = {template_id for method in recipe.methods for template_id in method.template_ids}
    unused = sorted({*recipe.templates} - used)
    if unused and not recipe.retries:  # rows that were not asked again keep the templates of before
        raise VerificationError(f"{layout.RECIPE}: no method asks with one of its templates", seen=unused[0])


def _check_dials(gates: GatesLock) -> None:
    """Raises VerificationError for a threshold that is not the parameter which it is said to come from, and
    for one beyond which nothing becomes of a row.
    """
    for gate in gates.gates:
        for dial in gate.dials:
            action = read_action(dial, gate.params)
            if action in {"", "None"}:
                raise VerificationError(
                    f"{layout.GATES}: what becomes of a row beyond a threshold of {gate.use} is not said",
                    seen=dial.outcome,
                    allowed=f"{', '.join(ACTIONS)}, or a parameter of the gate",
                )
            value: Any = gate.params
            for key in (dial.parameter or "").split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is None:  # the gate's own, which no parameter states
                continue
            if type(value) not in {int, float} or float(value) != float(dial.threshold):
                raise VerificationError(
                    f"{layout.GATES}: the threshold of {gate.use} is not its parameter {dial.parameter}",
                    seen=dial.threshold,
                    allowed=repr(value),
                )


def read_seed_ids(
    pack: Path, names: Mapping[str, int], recipe: RecipeLock, *, left_out: bool = False
) -> frozenset[str] | None:
    """The ids of the seeds in the pack, once seeds/ has the digest that the recipe states; None for a run
    that states no corpus, which then has no seeds/ either, and for a pack whose corpus was `left_out` since a
    text in it was withdrawn. Raises VerificationError.
    """
    present = [name for name in names if name.startswith(f"{layout.SEEDS}/")]
    corpus = recipe.corpus
    if corpus is None or left_out:
        if present:
            why = (
                f"{layout.REVOKED} withdraws a text of it" if left_out else "the recipe states no seed corpus"
            )
            raise VerificationError(f"{present[0]} is there, and {why}")
        return None
    table, taxonomy, sections = verify_pack.SEEDS
    for name in verify_pack.SEEDS:
        if name not in names:
            raise VerificationError(f"{name} is missing: {layout.RECIPE} states a seed corpus")
    topics = _read_topics(pack, taxonomy)
    texts = _read_sections(pack, sections)
    ids: set[str] = set()
    try:
        digest, seeds = digest_corpus(_read_seeds(pack, table, ids), topics, texts)
    except ValueError as exc:
        raise VerificationError(f"{table} holds what no seed can be: {exc}") from exc
    found = {"sha256": digest, "seeds": seeds, "slices": len(topics), "sections": len(texts)}
    stated = corpus.model_dump()
    for key, value in found.items():
        if stated[key] != value:
            raise VerificationError(
                f"{layout.RECIPE}: the {key} of its corpus is not that of {layout.SEEDS}/",
                seen=stated[key],
                allowed=str(value),
            )
    return frozenset(ids)


def _read_seeds(pack: Path, name: str, ids: set[str]) -> Iterator[pa.Table]:
    """The seeds, a part at a time; their ids are added to `ids`."""
    for part in read_shard(pack, name, SEED_SCHEMA):
        ids.update(part["seed_id"].to_pylist())
        if len(ids) > MAX_SEEDS:
            raise VerificationError(f"{name} holds more seeds than can be checked", allowed=f"{MAX_SEEDS}")
        yield part


def _read_topics(pack: Path, name: str) -> Mapping[str, Any]:
    data = read_file(pack, name, max_bytes=MAX_FILE_BYTES)
    try:
        value = parse_yaml(data.decode("utf-8"), where=name)
        topics = parse_topics(value, where=name)
        require_as_written(name, render_yaml(value) == data)
        return topics
    except UnicodeDecodeError as exc:
        raise VerificationError(f"{name} is not UTF-8: byte {exc.start}") from exc
    except (InputError, SynthStackError) as exc:
        raise VerificationError(str(exc)) from exc


def _read_sections(pack: Path, name: str) -> Mapping[str, str]:
    data = read_file(pack, name, max_bytes=MAX_SECTIONS_BYTES)
    with raise_refusals():
        value = verify_pack.parse_json(data, name)
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise VerificationError(f"{name} is not a mapping of sections to texts")
    require_as_written(name, canonical_json(value) + b"\n" == data)
    return value


class _Span:
    """The draws of one method of a recipe, and which of them have a row: 1 in `met`."""

    def __init__(self, draws: range) -> None:
        self.draws = draws
        self.met = bytearray(len(draws))


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


class Origins:
    """What the recipe says of the origin of every row, and which draws have been met."""

    def __init__(self, recipe: RecipeLock, seed_ids: frozenset[str] | None) -> None:
        self.recipe = recipe
        self._seed_ids = seed_ids
        self._methods = {(method.use, method.version): method for method in recipe.methods}
        self._made_here = bool(recipe.methods)
        draws = [method.draws for method in recipe.methods]
        self._spans: dict[str, list[_Span]] = {}
        self._last_seeds: dict[str, int] = {}  # a row may share the draw of the one before it, as in a tree
        self._expected_draws = sum(draw or 0 for draw in draws)
        if None not in draws:  # a run with a target draws as long as that takes
            start = 0
            for method in recipe.methods:
                span = _Span(range(start, start + (method.draws or 0)))
                self._spans.setdefault(method.use, []).append(span)
                start = span.draws.stop

    def check(self, name: str, record: Record, *, replaces: bool) -> None:
        """Raises VerificationError, starting with `name`, for a record that is not of what the recipe says.

        A row that `replaces` another may be of somebody else's making; its draw is that of the other.
        """
        fault = None
        if self.recipe.source is not None:
            fault = self._find_foreign_fault(record)
        elif self._made_here and not replaces:
            fault = self._find_fault(record)
        if fault is not None:
            what, seen, allowed = fault
            raise VerificationError(f"{name}: row {record['row_id']} {what}", seen=seen, allowed=allowed)

    def finish(self, generated: int) -> None:
        """Raises VerificationError for a draw of the recipe of which there is no row."""
        for method, spans in self._spans.items():
            missing = next((span.draws[place] for span in spans if (place := span.met.find(0)) >= 0), None)
            if missing is not None:
                raise VerificationError(
                    f"there is no row of draw {missing} of {method}, which {layout.RECIPE} says was made",
                    seen=f"{generated} generated rows",
                    allowed=f"{self._expected_draws} draws, each with a row",
                )

    def _find_fault(self, record: Record) -> tuple[str, object, str] | None:
        origin, recipe = record["origin"], self.recipe
        method = self._methods.get((origin["generator"], origin["generator_version"]))
        if method is None:
            made_by = f"{origin['generator']} {origin['generator_version']}"
            known = ", ".join(f"{use} {version}" for use, version in self._methods)
            return "was made by a method that the recipe does not have", made_by, known
        fault = self._find_teacher_fault(origin)
        if fault is not None:
            return fault
        if origin["params"] is not None and not _is_object(origin["params"]):
            return "was made with parameters that are no object of JSON", origin["params"], "JSON, or null"
        unknown = [t for t in (origin["template_id"] or "").split() if t not in recipe.templates]
        if unknown:
            return "names a template that the recipe does not have", unknown[0], ", ".join(recipe.templates)
        if (
            self._seed_ids is not None
            and origin["seed_id"] is not None
            and origin["seed_id"] not in self._seed_ids
        ):
            return (
                "names a seed that seeds/ does not have",
                origin["seed_id"],
                f"one of {len(self._seed_ids)}",
            )
        return self._meet_draw(method.use, origin)

    def _find_teacher_fault(self, origin: Record) -> tuple[str, object, str] | None:
        teacher = self.recipe.teacher
        named = (origin["teacher"], origin["teacher_digest"])
        if teacher is None:
            known = [each for each in named if each is not None]
            return ("names a teacher, and the recipe none", known[0], "None") if known else None
        if None not in {teacher.model, teacher.digest} and (named[0] is None) != (named[1] is None):
            return "names half of its teacher", repr(named), repr((teacher.model, teacher.digest))
        for key, stated in (("teacher", teacher.model), ("teacher_digest", teacher.digest)):
            if origin[key] is not None and origin[key] != stated:
                return f"has another {key} than the recipe", origin[key], repr(stated)
        if origin["replayable"] and origin["teacher"] is not None and not teacher.replayable:
            return "says that it can be replayed, and its teacher that it cannot", True, "False"
        return None

    def _meet_draw(self, use: str, origin: Record) -> tuple[str, object, str] | None:
        draw, seed = origin["draw"], self.recipe.seed
        if use in self._spans:
            span = next((span for span in self._spans[use] if draw in span.draws), None)
            if span is None:
                spans = (f"{span.draws.start} to {span.draws.stop - 1}" for span in self._spans[use])
                return f"has a draw that {use} did not have", draw, ", ".join(spans)
            span.met[draw - span.draws.start] = 1
        if seed is None and origin["rng_seed"] is not None:
            return "has an rng_seed, and the recipe no seed", origin["rng_seed"], "None"
        if seed is not None and origin["rng_seed"] not in {None, self._last_seeds.get(use)}:
            derived = derive_seed(seed, use, draw)
            self._last_seeds[use] = derived
            if origin["rng_seed"] != derived:
                return (
                    "has another rng_seed than the run's seed and its draw give",
                    origin["rng_seed"],
                    str(derived),
                )
        return None

    def _find_foreign_fault(self, record: Record) -> tuple[str, object, str] | None:
        source, origin = self.recipe.source, record["origin"]
        if (
            source is None
            or source.is_run
            or record["kind"] != verify_pack.FOREIGN
            or origin["parent_id"] is not None
        ):
            return None
        expected = f"sha256:{source.sha256}"
        if origin["seed_id"] != expected:
            return "is of another dataset than the recipe's", origin["seed_id"], expected
        return None
