"""Commands over packs: write one, export its rows, verify it, trace a row."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from synth_stack.cli.options import Identity, Issuer, Json, KeyId, Keys, Signers, TrustConfig, read_signers
from synth_stack.cli.output import print_json, say, show, to_one_line
from synth_stack.text.printable import count_noun

Key = Annotated[Path | None, typer.Option(help="A local signing key; made when it is not there.")]
Rows = Annotated[list[str] | None, typer.Option("--row", help="A row, by its whole id; may be repeated.")]
SeedIds = Annotated[list[str] | None, typer.Option("--seed", help="A seed's id; may be repeated.")]
Documents = Annotated[list[str] | None, typer.Option("--document", help="A document's id; may be repeated.")]
Templates = Annotated[
    list[str] | None, typer.Option("--template", help="A template, NAME@DIGEST or NAME; may be repeated.")
]
Teachers = Annotated[
    list[str] | None, typer.Option("--teacher", help="A teacher's name or digest; may be repeated.")
]
EvalItems = Annotated[
    list[str] | None, typer.Option("--eval-item", help="An eval item, SET:ITEM; may be repeated.")
]


def add_pack_commands(app: typer.Typer) -> None:
    """Put the commands into an application."""
    for command in (pack, sign, export, verify, prove, trace, revoke):
        app.command()(command)


def pack(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="A judged run or curate folder; or several packs, to be mixed."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The pack to write.")],
    key: Key = None,
    sign: Annotated[
        list[Path] | None, typer.Option(help="A further key that signs too; may be repeated.")
    ] = None,
    post_quantum: Annotated[
        list[Path] | None, typer.Option(help="A further key of ML-DSA-65 that signs too; may be repeated.")
    ] = None,
    sigstore: Annotated[
        bool, typer.Option("--sigstore", help="Have a sigstore identity sign too: it says who.")
    ] = False,
    trust_config: TrustConfig = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="The file of your batches; this one is appended to it and signs its place."),
    ] = None,
    c2pa: Annotated[
        bool, typer.Option("--c2pa", help="Sign a C2PA manifest into each image, by a key of this machine.")
    ] = False,
    c2pa_chain: Annotated[
        Path | None, typer.Option(help="Your certificates (PEM), to sign C2PA manifests by.")
    ] = None,
    c2pa_key: Annotated[Path | None, typer.Option(help="The private key of the first of them (PEM).")] = None,
    reissue: Annotated[
        Path | None,
        typer.Option(help="A list of tombstones: issue the PACK given as RUN again without its rows."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The name of a mixture of packs.")] = None,
    purpose: Annotated[
        str | None,
        typer.Option(help="Of a mixture: what the terms of every model in it have to allow."),
    ] = None,
    revoked: Annotated[
        list[Path] | None,
        typer.Option(help="Of a mixture: a list of tombstones that no row may be in; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the signed handover pack of a judged folder, or of several packs a mixture."""
    from synth_stack import pack as write_pack
    from synth_stack.packs.reissue import reissue_pack
    from synth_stack.packs.signers import add_cosigners, local_signer, make_content_signer, sigstore_signer

    signer = sigstore_signer(None, trust_config, key_path=key) if sigstore else local_signer(key)
    signer = add_cosigners(signer, sign or [], post_quantum or [])
    credentials = None
    if c2pa or c2pa_chain or c2pa_key:
        credentials = make_content_signer(key, chain=c2pa_chain, private=c2pa_key)
    if reissue is not None:
        if folders[1:]:
            raise typer.BadParameter("one pack is issued again at a time", param_hint="--reissue")
        if credentials is not None:
            raise typer.BadParameter("a pack that is issued again keeps the manifests that it has")
        summary = reissue_pack(folders[0], out, reissue, signer=signer, ledger=ledger)
    else:
        summary = write_pack(
            folders[0] if len(folders) == 1 else folders,
            out,
            signer=signer,
            ledger=ledger,
            credentials=credentials,
            name=name,
            purpose=purpose,
            revoked=revoked or [],
        )
    if as_json:
        gone = {"withdrawn": summary.withdrawn} if reissue is not None else {}
        print_json({"pack": str(summary.path), "root": summary.root, **summary.counts, **gone})
        return
    gone_rows = f", {summary.withdrawn:,} withdrawn" if reissue is not None else ""
    left = summary.counts["accepted"] - summary.withdrawn
    say(f"{left:,} accepted rows in {summary.path}{gone_rows}, signed by {summary.key_id}")


def sign(
    folder: Annotated[Path, typer.Argument(metavar="PACK", help="The pack to sign; it is verified first.")],
    key: Annotated[list[Path] | None, typer.Option(help="A key that signs; may be repeated.")] = None,
    post_quantum: Annotated[
        list[Path] | None, typer.Option(help="A key of ML-DSA-65 that signs; may be repeated.")
    ] = None,
    add: Annotated[
        list[Path] | None,
        typer.Option(help="A signature that was made elsewhere with --out; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Leave the pack as it is, and write the signature here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add the signature of a further key to a pack, on the machine that holds the key."""
    from synth_stack.packs.cosign import sign_pack

    signed = sign_pack(folder, keys=key or [], post_quantum=post_quantum or [], add=add or [], out=out)
    show(signed, as_json)


def export(
    folder: Annotated[Path, typer.Argument(metavar="PACK", help="The pack; it is verified first.")],
    form: Annotated[
        str,
        typer.Option("--format", help="messages, alpaca, sharegpt, trl-dpo or jsonl: see docs/export.md."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write, JSON Lines.")],
    split: Annotated[str, typer.Option(help="The split to write: train or adversarial.")] = "train",
    key_id: KeyId = None,
    as_json: Json = False,
) -> None:
    """Write the accepted rows of a pack as JSON Lines, in the form that a trainer reads."""
    from synth_stack import export as export_rows

    written = export_rows(folder, out, format=form, split=split, expected_key=key_id)
    for reason, rows in written.skipped.items():
        count = count_noun(rows, "row")
        sys.stderr.write(to_one_line(f"skipped {count} that {form} cannot say: {reason}") + "\n")
    if as_json:
        print_json(written.to_json())
    else:
        say(f"{count_noun(written.rows, 'row')} in {written.path}")


def verify(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="PACK_AUDIT_OR_PROOF",
            help="The pack, audit or proof file to check; nothing is fetched.",
        ),
    ] = None,
    row: Annotated[str | None, typer.Option(help="Prove this row alone, or that of an image file.")] = None,
    key_id: KeyId = None,
    signers: Signers = None,
    keys: Keys = None,
    identity: Identity = None,
    issuer: Issuer = None,
    trust_config: TrustConfig = None,
    pin: Annotated[
        Path | None,
        typer.Option(
            help="The last batch seen of a ledger; the pack must be that one or the next. Kept there."
        ),
    ] = None,
    root: Annotated[
        str | None, typer.Option(help="The head that the ledger must have with this batch.")
    ] = None,
    revoked: Annotated[
        Path | None,
        typer.Option(help="A list of tombstones by the same key; no row of the pack may be in it."),
    ] = None,
    emit: Annotated[
        bool, typer.Option("--emit", help="Print verify_pack.py, which verifies without this package.")
    ] = False,
    emit_page: Annotated[
        bool, typer.Option("--emit-page", help="Print a page that verifies a pack in a browser.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a pack, an audit or a proof offline; exit 1 names everything that is wrong."""
    from synth_stack.audits.check import is_audit
    from synth_stack.packs.image_rows import resolve_row
    from synth_stack.packs.load import compare_revoked
    from synth_stack.packs.prove import verify_proof
    from synth_stack.packs.verify.ledger import follow_ledger
    from synth_stack.packs.verify.verify import inspect_pack, verify_row

    if emit or emit_page:
        _emit(emit_page)
        return
    if folder is None:
        raise typer.BadParameter(
            "name the folder of a pack, --emit or --emit-page", param_hint="PACK_AUDIT_OR_PROOF"
        )
    expected: dict[str, Any] = {
        "expected_key": key_id,
        "identity": identity,
        "issuer": issuer,
        "trust_config": trust_config,
        "signers": read_signers(signers, keys or []),
    }
    further = any(given is not None for given in (row, pin, root, revoked, signers))
    if folder.is_file():
        if further:
            raise typer.BadParameter("of a proof nothing further is asked", param_hint="PACK_AUDIT_OR_PROOF")
        show(verify_proof(folder, **expected), as_json)
        return
    if is_audit(folder):
        from synth_stack.workflows.audit import verify_audit

        if further or any(given is not None for given in (identity, issuer, trust_config)):
            raise typer.BadParameter("of an audit nothing further is asked", param_hint="PACK_AUDIT_OR_PROOF")
        checked = verify_audit(folder, expected_key=key_id)
        show(checked, as_json)
        if checked.problems:
            raise checked.problems[0]
        return
    if row is not None:
        show(verify_row(folder, resolve_row(folder, row), **expected), as_json)
        return
    found = inspect_pack(folder, **expected)
    found = follow_ledger(found, pin=pin, root=root)
    found = found if revoked is None else compare_revoked(found, revoked)
    show(found, as_json)
    if found.problems:
        raise found.problems[0]


def prove(
    folder: Annotated[Path, typer.Argument(metavar="PACK", help="The pack that has the rows.")],
    rows: Annotated[list[str], typer.Argument(metavar="ROW_ID...", help="Rows, accepted or not.")],
    out: Annotated[Path, typer.Option("--out", help="The proof file to write.")],
    run: Annotated[
        Path | None,
        typer.Option(help="The run of the pack: shows the content of rows that were turned away."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a file that proves some rows alone: their records, paths and the signed head."""
    from synth_stack.packs.prove import prove_rows

    written = prove_rows(folder, rows, out, run=run)
    if as_json:
        print_json({"proof": str(written), "rows": len({*rows})})
    else:
        say(f"{len({*rows}):,} rows proved in {written}")


def trace(
    folder: Annotated[Path, typer.Argument(metavar="RUN_OR_PACK", help="A run folder or a pack.")],
    row_id: Annotated[
        str | None,
        typer.Argument(help="A row id, or at least 8 characters of its start; or the row's image, a file."),
    ] = None,
    across: Annotated[
        list[Path] | None,
        typer.Option(
            "--in", metavar="PACK", help="Another pack to look for descendants in; may be repeated."
        ),
    ] = None,
    seed: SeedIds = None,
    document: Documents = None,
    template: Templates = None,
    teacher: Teachers = None,
    eval_item: EvalItems = None,
    as_json: Json = False,
) -> None:
    """Where a row comes from and why it is where it is; or what came from it, or from a seed, in packs."""
    from synth_stack.packs.descendants import trace_descendants
    from synth_stack.packs.image_rows import resolve_row
    from synth_stack.packs.trace import trace as trace_row

    chosen = _select(None, seed, document, template, teacher, eval_item)
    if not chosen and not across:
        if row_id is None:
            raise typer.BadParameter("name a row, or what rows came from", param_hint="ROW_ID")
        show(trace_row(folder, resolve_row(folder, row_id)), as_json)
        return
    show(trace_descendants([folder, *(across or [])], chosen, row_id=row_id), as_json)


def revoke(
    tombstones: Annotated[
        Path, typer.Argument(metavar="LIST", help="The list to append to; made if missing.")
    ],
    who: Annotated[str, typer.Option(help="Who withdraws.")],
    why: Annotated[str, typer.Option(help="Why, in one line. It is public.")],
    row: Rows = None,
    seed: SeedIds = None,
    document: Documents = None,
    template: Templates = None,
    teacher: Teachers = None,
    eval_item: EvalItems = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Append a signed tombstone to a list: rows, or all that came from a seed, document, template, ..."""
    from synth_stack.packs.tombstones import revoke as append_tombstone

    chosen = _select(row, seed, document, template, teacher, eval_item)
    show(append_tombstone(tombstones, chosen, who=who, why=why, key_path=key), as_json)


def _emit(page: bool) -> None:
    """Print what verifies a pack without this package: the single file, or the page for a browser."""
    from synth_stack.packs.page.render import render_page
    from synth_stack.packs.verify.recount import read_verifier

    sys.stdout.buffer.write(render_page().encode() if page else read_verifier())


def _select(*given: list[str] | None) -> dict[str, list[str]]:
    """What was asked for by each selector, in the order of the options."""
    names = ("row", "seed", "document", "template", "teacher", "eval_item")
    return {name: values for name, values in zip(names, given, strict=True) if values}
