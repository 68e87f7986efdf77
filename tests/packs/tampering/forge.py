"""A forger with the key: one part of a pack changed, and everything that follows from it made again and signed."""

import copy
import gzip
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from synth_stack.files import digest_file, read_table, render_yaml, write_bytes
from synth_stack.inputs.strict_yaml import read_yaml
from synth_stack.lineage.leaf_index import LeafIndex
from synth_stack.lineage.ledger import grow_head
from synth_stack.lineage.merkle import leaf_hash, write_tiles
from synth_stack.lineage.record import RECORD_SCHEMA, leaves_of
from synth_stack.lineage.sign import build_statement
from synth_stack.packs import layout
from synth_stack.packs.card.card import render_card
from synth_stack.packs.counts import Tally
from synth_stack.packs.data_rows import DATA_SCHEMA
from synth_stack.packs.disclosure.documents import render_documents
from synth_stack.packs.disclosure.facts import build_disclosure
from synth_stack.packs.gate_log import parse_measures
from synth_stack.packs.signers import local_signer
from synth_stack.packs.statement import build_facts, describe_rule
from synth_stack.packs.turned_away import TURNED_SCHEMA
from synth_stack.packs.verify_pack import is_row_id
from synth_stack.rows.canonical import canonical_json
from synth_stack.rows.schemas import DECISION_SCHEMA
from synth_stack.runs.folder import MANIFEST, list_files, write_manifest
from synth_stack.runs.locks import parse_gates, parse_recipe
from tests.packs.judged_run import GATES, build_pack, identify, read_predicate, write_packed

Json = dict[str, Any]

DATA = layout.data_name(0, 1)
LOG = layout.log_name(0)
REJECTED_FILE = layout.turned_name(0, 1, "rejected")
HELD_FILE = layout.turned_name(0, 1, "held")
RECORDS = layout.records_name(0)
LINES = layout.lines_name(0)


def describe_dial(rejects: str, threshold: str, *classes: str) -> Json:
    """A dial on the score, as a gate lock has it."""
    return {
        "parameter": "threshold",
        "score": "score",
        "rejects": rejects,
        "threshold": threshold,
        "outcome": "reject",
        "classes": list(classes),
        "lowest": None,
        "fixed_by": None,
        "strict": True,
    }


DIALS = {
    "dedup": [describe_dial(">", "0.85", "dedup.near_duplicate")],
    "toxicity": [describe_dial(">=", "0.05", "toxicity.toxic")],
}


def build_base(folder: Path) -> Path:
    """The pack that is tampered with: 12 rows, three decisions, two gates with dials, seeds and a template."""
    gates = {**GATES, "gates": [{**gate, "dials": DIALS[gate["use"]]} for gate in GATES["gates"]]}
    return build_pack(folder, gates=gates)


class Forger:
    """A copy of a pack in `folder` to be changed; `key` signs it."""

    def __init__(self, base: Path, folder: Path) -> None:
        self.pack = folder / "pack"
        self.key = base.parent / "key.pem"
        shutil.copytree(base, self.pack)

    def path(self, name: str) -> Path:
        return self.pack / name

    def edit(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Another content of one file."""
        data = self.path(name).read_bytes()
        changed = change(data)
        assert changed != data, f"{name} stays as it is"
        self.path(name).write_bytes(changed)

    def edit_rows(self, name: str, change: Callable[[list[Json]], object]) -> None:
        """Other rows of one Parquet file."""
        table = read_table(self.path(name))
        rows = table.to_pylist()
        change(rows)
        write_packed(self.path(name), pa.Table.from_pylist(rows, schema=table.schema))

    def read_records(self) -> list[Json]:
        """The records, to be changed and given to `put_records`."""
        return [orjson.loads(data) for data in read_table(self.path(RECORDS))["record"].to_pylist()]

    def put_records(self, records: Iterable[Json], *, log: bool = True) -> None:
        """Records in the place of those that were there: in both forms, in the tree, and (`log`) in the log."""
        records = list(records)
        lines = [canonical_json(record) for record in records]
        columns = {
            "row_id": [str(record.get("row_id")) for record in records],
            "decision": [str(record["decision"].get("decision")) for record in records],
            "record": lines,
            "leaf": [leaf_hash(line) for line in lines],
        }
        table = pa.table(columns, schema=RECORD_SCHEMA)
        write_packed(self.path(RECORDS), table)
        self.put_lines(lines)
        shutil.rmtree(self.path(layout.TILES))
        write_tiles(self.path(layout.TILES), [leaves_of(table)])
        self.put_index([record.get("row_id") for record in records])
        if log:
            rows = [
                {"row_id": r["row_id"], "source_id": r["origin"].get("source_id"), **r["decision"]}
                for r in records
            ]
            write_packed(self.path(LOG), pa.Table.from_pylist(rows, schema=DECISION_SCHEMA))

    def edit_json(self, name: str, change: Callable[[Json], object]) -> None:
        """Another value of one file of canonical JSON."""
        value = orjson.loads(self.path(name).read_bytes())
        change(value)
        self.path(name).write_bytes(canonical_json(value) + b"\n")

    def put_index(self, row_ids: Iterable[Any]) -> None:
        """The index of rows in the tree, where ids are such that there can be one."""
        ids = [row_id if is_row_id(str(row_id)) else "0" * 32 for row_id in row_ids]
        index = LeafIndex()
        index.add(pa.array(ids, pa.string()))
        self.path(layout.INDEX).unlink(missing_ok=True)
        index.write(self.path(layout.INDEX))

    def put_lines(self, lines: Iterable[bytes]) -> None:
        """The canonical lines alone."""
        data = b"".join(line + b"\n" for line in lines)
        self.path(LINES).write_bytes(gzip.compress(data, 1, mtime=0))

    def change_record(self, draw: int, change: Callable[[Json], object]) -> None:
        """One record changed, and all that repeats it made again."""
        records = self.read_records()
        change(records[draw])
        self.put_records(records)

    def change_lock(self, name: str, change: Callable[[Json], object], *, identify_it: bool = True) -> None:
        """A lock changed: its identity, and the digest of it in every record, are those of the changed one."""
        lock = read_yaml(self.path(name))
        before = copy.deepcopy(lock)
        change(lock)
        assert lock != before, f"{name} stays as it is"
        lock = identify(lock) if identify_it else lock
        self.path(name).write_bytes(render_yaml(lock))
        key = "recipe_sha256" if name == layout.RECIPE else "gates_sha256"
        digest = digest_file(self.path(name))
        records = self.read_records()
        for record in records:
            record["context"][key] = digest
        self.put_records(records)

    def derive(self) -> None:
        """Counts, card and documents as the records, rows and locks of now give them."""
        records = read_table(self.path(RECORDS))["record"].to_pylist()
        tally = Tally()
        tally.add_records(orjson.loads(record) for record in records)
        tally.add_rows(read_table(self.path(DATA), DATA_SCHEMA))
        for decision, name in (("rejected", REJECTED_FILE), ("held", HELD_FILE)):
            if self.path(name).exists():
                tally.turned.add_rows(read_table(self.path(name), TURNED_SCHEMA), decision)
        recipe = parse_recipe(self.path(layout.RECIPE).read_bytes(), where=layout.RECIPE)
        gates = parse_gates(self.path(layout.GATES).read_bytes(), where=layout.GATES)
        measures = parse_measures(self.path(layout.MEASURES).read_bytes(), gates.gates, {})
        counts = tally.finish([gate.use for gate in gates.gates], measures)
        head = self.read_head()
        signer = local_signer(self.key)
        said = read_predicate(self.pack)[0]
        withdrawn = said["withdrawn"]
        told = build_disclosure(
            recipe,
            gates.gates,
            counts,
            root=head["root"],
            key_id=signer.key_id,
            files={DATA: (digest_file(self.path(DATA)), self.path(DATA).stat().st_size)},
            withdrawn=0 if withdrawn is None else withdrawn["rows"],
        )
        card = render_card(
            recipe,
            gates.gates,
            counts,
            told=told,
            signature="local",
            place=said["ledger"],
            withdrawn=withdrawn,
        )
        self.path(layout.CARD).write_text(card, encoding="utf-8")
        for name, document in render_documents(told).items():
            self.path(name).write_bytes(document)
        self.sign(
            {"run": recipe.identity, "tree": head, "counts": counts.to_predicate(), **describe_rule(gates)}
        )

    def sign(self, changes: Mapping[str, Any] | None = None) -> None:
        """The pack as it is now, signed: digests, sizes and the root are those of now, `changes` is what it says."""
        predicate, _ = read_predicate(self.pack)
        files = [name for name in list_files(self.pack) if name not in layout.UNSIGNED]
        predicate["bytes"] = {name: self.path(name).stat().st_size for name in files}
        for key, name in (("recipe_sha256", layout.RECIPE), ("gates_sha256", layout.GATES)):
            if self.path(name).exists():
                predicate[key] = digest_file(self.path(name))
        predicate["tree"] = (
            self.read_head() if self.path(f"{layout.TILES}/0.bin").exists() else predicate["tree"]
        )
        predicate |= changes or {}
        subjects: dict[str, str] = {name: digest_file(self.path(name)) for name in files}
        subjects[layout.ROWS_SUBJECT] = str(predicate["tree"].get("root"))
        for name, data in local_signer(self.key).sign(build_statement(subjects, predicate)).items():
            write_bytes(self.path(name), data)
        self.list()

    def list(self) -> None:
        """A manifest of what is there now."""
        predicate, _ = read_predicate(self.pack)
        self.path(MANIFEST).unlink(missing_ok=True)
        write_manifest(self.pack, build_facts(predicate))

    def read_head(self) -> Json:
        """Size and root of the tree that the leaves of now give."""

        data = self.path(f"{layout.TILES}/0.bin").read_bytes()
        head = grow_head([data[: len(data) // 32 * 32]])
        return {"size": head.size, "root": head.root.hex()}
