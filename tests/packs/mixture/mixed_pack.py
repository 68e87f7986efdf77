"""Two packs by different keys, and their mixture by a third."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synth_stack.files import digest_file, read_table
from synth_stack.lineage.sign import build_statement
from synth_stack.packs import layout
from synth_stack.packs.mixture.write import mix_packs
from synth_stack.packs.signers import local_signer
from synth_stack.packs.verify_pack import PACKS_SUBJECT, build_mixture_facts
from synth_stack.packs.write import write_pack
from synth_stack.runs.folder import MANIFEST, list_files, write_manifest
from tests.packs.disclosure.stated_pack import build_stated_pack
from tests.packs.judged_run import ADVERSARIAL, build_pack, build_run, read_predicate
from tests.packs.withdrawn_pack import issue_again, withdraw


@dataclass(frozen=True)
class Parts:
    """Packs of different keys, and the mixture of the first two, signed with `folder`/mixture.pem.

    `twin` has the rows of `first`; `batch0` and `batch1` stand in one ledger and `fork1` in another that goes
    on from `batch0`; `again` was issued without a row, from which a row of `child` came.
    """

    folder: Path

    @property
    def first(self) -> Path:
        return self.folder / "a/pack"

    @property
    def second(self) -> Path:
        return self.folder / "b/pack"

    @property
    def mixture(self) -> Path:
        return self.folder / "mixture"

    @cached_property
    def third(self) -> Path:
        return build_pack(self.folder / "c", text="words of its own")

    @cached_property
    def twin(self) -> Path:
        return build_pack(self.folder / "twin")

    @cached_property
    def batches(self) -> list[Path]:
        """Three packs by one key: batch 0 and 1 of its ledger, and batch 1 of a fork of it."""
        folder, made = self.folder / "ledger", []
        signer = local_signer(self.folder / "vendor.pem")
        for name, ledger, text in (("0", "l", "one"), ("1", "l", "two"), ("f", "f", "three")):
            run = build_run(folder / f"run{name}", text=text)
            if name == "1":
                shutil.copy(folder / "l", folder / "f")
            write_pack(run, folder / f"pack{name}", signer=signer, ledger=folder / ledger)
            made.append(folder / f"pack{name}")
        return made

    @property
    def batch0(self) -> Path:
        return self.batches[0]

    @property
    def batch1(self) -> Path:
        return self.batches[1]

    @property
    def fork1(self) -> Path:
        return self.batches[2]

    @cached_property
    def again(self) -> Path:
        folder = self.folder / "w"
        withdraw(folder, row=[self._withdrawn])
        return issue_again(folder)

    @cached_property
    def child(self) -> Path:
        return build_pack(self.folder / "child", text="a child", parent_id=self._withdrawn)

    @cached_property
    def _withdrawn(self) -> str:
        pack = build_pack(self.folder / "w", text="to be withdrawn")
        return str(read_table(pack / layout.data_name(0, 1))["row_id"][0].as_py())


def build_parts(folder: Path) -> Parts:
    """The parts in `folder`; what the mixture is not of is made when it is asked for."""
    build_stated_pack(folder / "a")
    second = build_pack(folder / "b", text="other words", adversarial=ADVERSARIAL)
    parts = Parts(folder)
    mix(folder, [parts.first, second])
    return parts


def mix(
    folder: Path, packs: Sequence[Path], out: str = "mixture", key: Path | None = None, **options: Any
) -> Path:
    """`folder`/`out`, a mixture signed with the key at `folder`/mixture.pem, or with `key`."""
    mix_packs(packs, folder / out, signer=local_signer(key or folder / "mixture.pem"), **options)
    return folder / out


def resign(folder: Path, key: Path, **changes: Any) -> None:
    """A mixture as it is now, signed again by whoever has the key; `changes` is what the statement says."""
    predicate, _ = read_predicate(folder)
    names = [name for name in list_files(folder) if name not in layout.UNSIGNED]
    predicate["bytes"] = {name: (folder / name).stat().st_size for name in names} | changes.pop("bytes", {})
    predicate |= changes
    subjects: dict[str, str] = {name: digest_file(folder / name) for name in names}
    subjects[PACKS_SUBJECT] = str(predicate["tree"]["root"])
    for name, data in local_signer(key).sign(build_statement(subjects, predicate)).items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).unlink()
    write_manifest(folder, build_mixture_facts(predicate))
