"""The straight line: seeds -> generate -> gates -> sign -> pack.

Each stage reads the run folder and leaves its table there, so each can be called alone, and a stopped line
goes on at the first stage that is not done.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth_stack import __version__
from synth_stack.decisions.figures import Figures
from synth_stack.decisions.prices import GatePrice
from synth_stack.engines.catalog import LOCAL, EngineUse, choose_engine
from synth_stack.errors import ConfigError, InputError, WorkError
from synth_stack.files import render_yaml, write_bytes
from synth_stack.generation.slice_balance import BalancedSlice, compare_balance
from synth_stack.inputs.extensions import load_extensions
from synth_stack.inputs.recipe import Recipe
from synth_stack.lineage.content_credentials import ContentSigner
from synth_stack.packs.mixture.write import mix_packs
from synth_stack.packs.signers import Signer, local_signer, sigstore_signer
from synth_stack.packs.write import PackSummary, write_pack
from synth_stack.progress import Progress, Silent
from synth_stack.registry import find_entry
from synth_stack.rows.canonical import canonical_json, digest_json
from synth_stack.rows.schemas import CANDIDATE_SCHEMA
from synth_stack.runs.folder import LOCK, hold_alone, open_run, read_parts, write_manifest
from synth_stack.runs.spending import Spent
from synth_stack.workflows.generate import generate_candidates
from synth_stack.workflows.judge import Gates
from synth_stack.workflows.prepare import Job, prepare, write_seeds
from synth_stack.workflows.read_recipe import prepare_with_gates, read_recipe
from synth_stack.workflows.retry import begin_retry, carry_retries, drop_unasked, finish_retry
from synth_stack.workflows.rounds import count_rows_so_far, make_batch
from synth_stack.workflows.stores import Destination, find_work_folder

BALANCE = "balance.json"
"""Before and after of the slices of a set of images, in the run folder."""
PIPELINE_SCHEME = "synth_stack/pipeline-lock/v1"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run left: its folder, figures and pack, what it has spent, and the price of each gate.

    `balance` has before and after of each slice, where the recipe balances a set of images.
    """

    folder: Path
    figures: Figures
    pack: PackSummary
    spent: Spent
    prices: tuple[GatePrice, ...] = ()
    balance: tuple[BalancedSlice, ...] = ()


def run(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    *,
    load: Sequence[str] = (),
    engine: EngineUse = LOCAL,
    progress: Progress | None = None,
    retry_failed: bool = False,
) -> RunResult:
    """The whole line of a recipe, in `out` (default: runs/<name of the recipe>); the pack is in out/pack.

    Where `out` is an address of an object store, the work is done in a folder of runs/, and sent there when
    it is finished. Everything that can be wrong is found before the first row is made. A recipe with a
    target makes rows in rounds until enough are accepted or a limit is reached. `load` names modules or
    files of other authors, beside those that recipe and gate file load. `engine` says where the gates run
    (docs/engines.md): a name, or a mapping of `use` and its options; no decision depends on it. The same
    call after a stop goes on where it stopped. With `retry_failed` the failed rows of the run in `out` are
    asked again, also where the recipe asks its teacher otherwise by now. Raises UsageError (nothing was
    spent) or WorkError (what was committed is kept).
    """
    recipe = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    progress = progress or Silent()
    loaded = load_extensions(load)
    chosen = choose_engine(engine)
    work = find_work_folder(_folder(recipe, out))
    job, gates = prepare_with_gates(recipe, loaded, folder=work)
    _require_checks(recipe, gates)
    signer = make_signer(recipe)

    lock = _write_lock(job, work, retry_failed=retry_failed)
    target = Destination(out or "", lock)
    with open_run(work, lock) as folder, chosen.open() as opened:
        write_seeds(job, folder)
        made = make_batch(job, gates, folder, progress, opened)
        _require_rows(folder)
        balance = _write_balance(job, folder)
        packed = write_pack(folder, folder / "pack", signer=signer)
        write_manifest(folder, made.batch.facts())
        target.send(folder)
    prices = made.batch.price_gates(made.spent.cost)
    return RunResult(folder, made.batch.figures, packed, made.spent, prices, balance)


def generate(
    source: Any,
    out: str | Path | None = None,
    *,
    load: Sequence[str] = (),
    progress: Progress | None = None,
    columns: Mapping[str, str] | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    dataset: Any = None,
    retry_failed: bool = False,
) -> Path:
    """The run folder with the candidates of a recipe, or of a pipeline author's own distilabel Pipeline.

    Rows are committed batch by batch; the same call after a stop goes on where it stopped. `columns`,
    `parameters` and `dataset` are for a pipeline: which column of its last step is the prompt, the answer,
    ... (a field to a column, docs/distilabel.md), and what `pipeline.run` takes. `retry_failed` is for a
    recipe, as for `run`. Raises what `run` raises, and ConfigError for a recipe with a target.
    """
    progress = progress or Silent()
    if isinstance(source, Recipe | str | Path):
        if columns or parameters or dataset is not None:
            raise ConfigError(
                "columns, parameters and dataset belong to a distilabel Pipeline, not to a recipe"
            )
        recipe = source if isinstance(source, Recipe) else read_recipe(source)
        if recipe.generate.target is not None:
            raise ConfigError(
                f"recipe {recipe.name} has a target in accepted rows, and without gates none is accepted",
                mend="Use `synth-stack run`, or say generate.candidates.",
            )
        job = prepare(recipe, load_extensions(load))
        where = Path(_folder(recipe, out))
        with open_run(where, _write_lock(job, where, retry_failed=retry_failed)) as folder:
            write_seeds(job, folder)
            finish_retry(job, folder, progress)
            generate_candidates(job, folder, progress)
        return folder

    from synth_stack.generation.authored import generate_authored, take_arguments

    if retry_failed:
        raise ConfigError("retry_failed is for a recipe", mend="Run the pipeline with another --out.")
    take_arguments(source, parameters, dataset)
    with open_run(Path(out or Path("runs") / source.name), render_yaml(_lock_pipeline(source))) as folder:
        generate_authored(source, folder, progress, columns)
    return folder


def pack(
    folder: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    signer: Signer | None = None,
    ledger: str | Path | None = None,
    credentials: ContentSigner | None = None,
    name: str | None = None,
    purpose: str | None = None,
    revoked: Sequence[str | Path] = (),
) -> PackSummary:
    """The handover pack of a judged folder, signed (by default with this machine's local key) and, where a
    `ledger` is named, appended to it; `credentials` sign a C2PA manifest into each image. Of several packs
    the mixture of them (packs/mixture/write.py), which may have a `name` and a `purpose`, and of which no row
    may be in the lists `revoked`.

    Raises InputError for a folder that is not judged, SigningError without a usable key or identity, and what
    `mix_packs` raises.
    """
    if not isinstance(folder, str | Path):
        if credentials is not None:
            raise ConfigError("the images of a mixture keep the manifests that they have")
        return mix_packs(
            [Path(each) for each in folder],
            Path(out),
            signer=signer or local_signer(None),
            name=name,
            purpose=purpose,
            revoked=[Path(each) for each in revoked],
            ledger=None if ledger is None else Path(ledger),
        )
    if name is not None or purpose is not None or revoked:
        raise ConfigError("a name, a purpose and revoked rows are asked of a mixture of several packs")
    run_folder = Path(folder)
    if not (run_folder / LOCK).exists() or not (run_folder / "decisions.parquet").exists():
        raise InputError(
            f"{run_folder} holds no judged rows",
            mend="Run `synth-stack run` or `synth-stack curate` on it first.",
        )
    with hold_alone(run_folder / ".lock", str(run_folder)):
        return write_pack(
            run_folder,
            Path(out),
            signer=signer or local_signer(None),
            ledger=None if ledger is None else Path(ledger),
            credentials=credentials,
        )


def make_signer(recipe: Recipe) -> Signer:
    """Who signs the packs of a recipe; the key or identity is looked for now, before anything is spent."""
    if recipe.sign.use == "sigstore":
        trust = recipe.sign.trust_config
        return sigstore_signer(None, Path(trust) if trust else None)
    return local_signer(None)


def _write_lock(job: Job, folder: Path, *, retry_failed: bool) -> bytes:
    """The lock of a job as the run in `folder` has it. Raises what `retry` raises."""
    if retry_failed:
        return render_yaml(begin_retry(job.lock, folder))
    drop_unasked(folder)
    return render_yaml(carry_retries(job.lock, folder))


def _write_balance(job: Job, folder: Path) -> tuple[BalancedSlice, ...]:
    """Before and after of a set that the recipe balances, in balance.json of the run too."""
    if job.recipe.generate.balance is None:
        return ()
    found = compare_balance(job.budget, count_rows_so_far(folder).accepted)
    write_bytes(folder / BALANCE, canonical_json([each.to_json() for each in found]) + b"\n")
    return found


def _require_rows(folder: Path) -> None:
    """Raises WorkError for a run in which not one row could be made: there is nothing to vouch for."""
    failures: Counter[str] = Counter()
    for table in read_parts(folder / "candidates", CANDIDATE_SCHEMA):
        failures.update(table["failure"].drop_null().to_pylist())
        if table["failure"].null_count:
            return
    if failures:
        (first, times), *_ = failures.most_common(1)
        raise WorkError(
            f"all {failures.total():,} rows of {folder} failed, so nothing was packed or signed",
            seen=f"{first} ({times:,} times)",
            mend="Mend the teacher or its prompts, and run the same command with --retry-failed.",
        )


def _require_checks(recipe: Recipe, gates: Gates) -> None:
    """Raises ConfigError for a method whose rows are worth something only where one gate has judged them.

    Which gate that is, the method declares (registry.generator): code has to run, a refusal has to refuse.
    """
    for method in recipe.generate.methods:
        needed = find_entry("generator", method.use, where=f"recipe {recipe.name}").checked_by
        if needed is not None and needed not in gates.names:
            raise ConfigError(
                f"recipe {recipe.name} makes rows by {method.use}, and the gate that looks for what goes "
                "wrong with them is not there",
                seen=", ".join(gates.names),
                allowed=f"with {needed}",
                mend=f"Add `- use: {needed}` to {recipe.gates}.",
            )


def _folder(recipe: Recipe, out: str | Path | None) -> str | Path:
    return out if out is not None else Path("runs") / recipe.name


def _lock_pipeline(pipeline: Any) -> Mapping[str, Any]:
    from synth_stack.generation.driver import digest_pipeline

    described = {"name": pipeline.name, "sha256": digest_pipeline(pipeline)}
    identity = digest_json({"scheme": PIPELINE_SCHEME, **described})
    head = {"scheme": PIPELINE_SCHEME, "identity": identity, "synth_stack": __version__}
    return {**head, "pipeline": described}
