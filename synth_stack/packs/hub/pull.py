"""A pack from the Hub: downloaded within what was signed, verified, compared with what was seen before."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from synth_stack.errors import ConfigError, RunMismatch, VerificationError, WorkError
from synth_stack.files import store_errors
from synth_stack.lineage.ledger import advance_pin, read_pin
from synth_stack.lineage.merkle import leaf_hash
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.hub.download import WantedFile, download_file
from synth_stack.packs.hub.repository import LEFT_BY_HUB, MAIN, TOKEN_VARIABLE, HubRepository
from synth_stack.packs.mixture.listing import is_mixture, list_foreign, list_mixture
from synth_stack.packs.mixture.verify import open_signed_mixture
from synth_stack.packs.publish import publish, remove_leftovers
from synth_stack.packs.refusals import raise_refusals, to_error
from synth_stack.packs.statement import Seal, check_place, read_manifest
from synth_stack.packs.verify.ledger import follow_ledger
from synth_stack.packs.verify.verify import ExpectedSigner, Verification, inspect_pack, open_signed
from synth_stack.progress import Progress, Silent
from synth_stack.runs.folder import MANIFEST, hold_alone
from synth_stack.text.printable import show

MAX_PACK_BYTES = 256 * 1024**3
"""What a server may have us write: 500 million rows of 500 bytes, the most that a pack's files hold."""
SEAL_BYTES = {
    layout.STATEMENT: verify_pack.MAX_SEAL_BYTES,
    layout.PUBLIC_KEY: 4096,
    layout.COSIGNATURES: verify_pack.MAX_COSIGNATURES_BYTES,
    layout.BUNDLE: verify_pack.MAX_SEAL_BYTES,
    MANIFEST: verify_pack.MAX_SEAL_BYTES,
}
"""What no signature gives the size of, with the most bytes that each may have. It is fetched first."""
_SUFFIX = "pulling"
_ROOT_TAG = re.compile(r"root-([0-9a-f]{64})", re.ASCII)
_BATCH_TAG = re.compile(r"batch-([0-9]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class PulledPack:
    """A pack that was fetched and verified: from which commit of which repository, and what the checks gave.

    `pin` is the file that remembers its place in the ledger; None where it has none.
    """

    repository: str
    commit: str
    verification: Verification
    pin: Path | None

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        told = {"repository": self.repository, "commit": self.commit}
        return {**told, "pin": self.pin and str(self.pin), **self.verification.to_json()}

    def lines(self) -> list[str]:
        """The same for a person."""
        return show(
            f"pulled   {self.repository} at {self.commit} to {self.verification.path}",
            *self.verification.lines(),
            *([] if self.pin is None else [f"pin      {self.pin}"]),
        )


def pull_pack(
    repo_id: str,
    out: Path,
    *,
    revision: str | None = None,
    pin: Path | None = None,
    token_env: str = TOKEN_VARIABLE,
    progress: Progress | None = None,
    **signer: Unpack[ExpectedSigner],
) -> PulledPack:
    """The pack, or mixture of packs, in a dataset repository, at `out`: there whole and verified, or not at
    all.

    `revision` is a branch, commit or tag (`root-...` and `batch-...` have to be of that root or batch);
    without one it is the newest, and its place in its ledger is compared with the last one that was pulled
    from there, or that is in the file `pin`. `out` may hold an earlier batch of the same ledger, which is
    replaced. A pull that was cut off goes on where it stopped.

    Raises VerificationError for a repository that holds anything but a sound pack, and for one that was
    rolled back, forked, or lacks a batch; WorkError when the server does not answer, RunMismatch when `out`
    holds something else, StoreError, InputError, ConfigError.
    """
    repository = HubRepository.open(repo_id, token_env)
    remembered = pin if pin is not None or revision is not None else find_pin(repository)
    with store_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with hold_alone(out.with_name(f".{out.name}.lock"), str(out), remove=True):
        _require_pack_or_nothing(out)
        commit = repository.find_commit(revision or MAIN).sha
        with _open_staging(out, repository, commit) as staging:
            download = _Download(repository, commit, staging, progress or Silent())
            seal, previous = download.fetch_seal(signer)
            _require_revision(revision, seal)
            _require_next(remembered, seal, previous, repo_id)
            held = _read_held(out, seal, previous)
            found = None if held != seal.statement else inspect_pack(out, **signer)
            if found is None or found.problems:
                download.fetch_rest(seal)
                found = inspect_pack(staging, **signer)
                held = None
            if found.problems:
                raise found.problems[0]
            found = _remember(found, remembered, is_asked=pin is not None)
            if held is None:
                with store_errors(out):
                    publish(staging, out, _SUFFIX)
    return PulledPack(repo_id, commit, replace(found, path=out), remembered if found.place else None)


def find_pin(repository: HubRepository) -> Path:
    """Where the last batch is remembered that was pulled from a repository: under XDG_STATE_HOME, or
    ~/.local/state. Raises ConfigError where there is no home folder.
    """
    named = f"{repository.endpoint}/{repository.repo_id}"
    digest = hashlib.sha256(named.encode()).hexdigest()[:16]
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        folder = Path(state).expanduser()
    except RuntimeError as exc:
        raise ConfigError(
            "there is no home folder to remember a batch in", mend="Name a file: --pin."
        ) from exc
    return folder / "synth_stack" / "pins" / f"{repository.repo_id.replace('/', '--')}-{digest}.json"


@dataclass(frozen=True, slots=True)
class _Download:
    """The files of a commit on their way into `staging`, which may hold some from an earlier try."""

    repository: HubRepository
    commit: str
    staging: Path
    progress: Progress

    def fetch_seal(self, signer: ExpectedSigner) -> tuple[Seal, list[bytes] | None]:
        """The checked seal and the batches before this one, once the repository lists just what was signed.

        Raises VerificationError.
        """
        listed = self.repository.list_files(self.commit)
        sizes = {name: file.size for name, file in listed.items() if name not in LEFT_BY_HUB}
        is_mixed = any(name.startswith(f"{verify_pack.SOURCES}/") for name in sizes)
        find_fault = verify_pack.find_mixed_name_fault if is_mixed else verify_pack.find_name_fault
        with raise_refusals():
            for name, size in sizes.items():
                if (fault := find_fault(name)) is not None:
                    raise verify_pack.Refusal(f"{name} does not belong into a pack: {fault}")
                if not 0 <= size <= SEAL_BYTES.get(name, MAX_PACK_BYTES):
                    raise verify_pack.Refusal(f"{name} cannot be of that size", f"{size} bytes")
        required = verify_pack.MIXTURE_FILES if is_mixed else verify_pack.REQUIRED
        missing = [name for name in required if name not in sizes]
        if missing:
            raise VerificationError(f"{self.repository.repo_id} holds no pack: {missing[0]} is missing")
        for name in SEAL_BYTES.keys() & sizes.keys():
            download_file(self.repository, WantedFile(self.commit, name, sizes[name]), self.staging / name)
        seal = (open_signed_mixture if is_mixed else open_signed)(self.staging, signer)
        manifest = read_manifest(self.staging)
        faults = verify_pack.compare_sizes(sizes, manifest["files"], seal.predicate["bytes"])
        for refusal in faults.values():
            raise to_error(refusal)
        if {*seal.subjects, *layout.UNSIGNED} - sizes.keys() - layout.UNSIGNED:
            raise VerificationError(f"{layout.STATEMENT} signs a file that {self.repository.repo_id} lacks")
        if layout.LEDGER in sizes:
            self._fetch(layout.LEDGER, seal)
        return seal, check_place(self.staging, sizes, seal)

    def fetch_rest(self, seal: Seal) -> None:
        """Fetch every file that was signed, if there is room for all. Raises VerificationError."""
        total = sum(seal.predicate["bytes"].values())
        held = sum(path.stat().st_size for path in self.staging.rglob("*") if path.is_file())
        room = min(shutil.disk_usage(self.staging).free + held, MAX_PACK_BYTES)
        if total > room:
            raise VerificationError(
                "the pack is larger than there is room for", seen=f"{total} bytes", allowed=f"{room} bytes"
            )
        tell = self.progress.begin("download, bytes", total)
        for name in seal.subjects:
            self._fetch(name, seal, tell)

    def _fetch(self, name: str, seal: Seal, tell: Callable[[int], None] = lambda n: None) -> None:
        wanted = WantedFile(self.commit, name, seal.predicate["bytes"][name], seal.subjects[name])
        download_file(self.repository, wanted, self.staging / name, tell)


@contextmanager
def _open_staging(out: Path, repository: HubRepository, commit: str) -> Iterator[Path]:
    """A folder beside `out` for a commit, with what an earlier pull left of it; gone when the block ends.

    It stays where the server stopped, or a person, and some of the pack has arrived.
    """
    named = f"{repository.endpoint}/{repository.repo_id}@{commit}"
    digest = hashlib.sha256(named.encode()).hexdigest()[:8]
    staging = out.with_name(f".{out.name}.{digest}.{_SUFFIX}")
    keeps = False
    try:
        with store_errors(staging):
            remove_leftovers(out, _SUFFIX, keep=staging)
            staging.mkdir(exist_ok=True)
        yield staging
    except VerificationError:
        raise
    except WorkError as exc:
        keeps = _has_arrived(staging)
        if keeps:
            exc.mend = f"{exc.mend or ''} What has arrived is kept: run the same command to go on.".strip()
        raise
    except KeyboardInterrupt:
        keeps = _has_arrived(staging)
        raise
    finally:
        if not keeps:
            shutil.rmtree(staging, ignore_errors=True)


def _has_arrived(staging: Path) -> bool:
    """Whether a signed file is there, or the beginning of one."""
    names = (path.relative_to(staging).as_posix() for path in staging.rglob("*") if path.is_file())
    return any(name not in SEAL_BYTES for name in names)


def _require_pack_or_nothing(out: Path) -> None:
    """Refuse a place that holds anything but a pack, before a server is asked. Raises RunMismatch."""
    mend = "Choose another folder with --out."
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise RunMismatch(f"{out} is in the way: it is no folder", mend=mend)
    if not out.exists() or not any(out.iterdir()):
        return
    names = (list_mixture(out) if is_mixture(out) else layout.list_pack_files(out))[0]
    foreign = list_foreign(out) if is_mixture(out) else layout.list_foreign(out)
    if foreign or MANIFEST not in names:
        seen = foreign[0] if foreign else f"{MANIFEST} is missing"
        raise RunMismatch(f"{out} is not empty and holds no pack", seen=seen, mend=mend)


def _read_held(out: Path, seal: Seal, previous: list[bytes] | None) -> bytes | None:
    """The statement of the pack that is at `out`: this very one, or that of a batch before it in its ledger.

    None where nothing is there. Raises RunMismatch for any other pack.
    """
    if not out.exists() or not any(out.iterdir()):
        return None
    try:
        with raise_refusals():
            held = verify_pack.open_statement(out, seal.key_id).statement
    except VerificationError:
        held = b""
    if held != seal.statement and leaf_hash(held) not in (previous or []):
        raise RunMismatch(
            f"{out} holds another pack, which is no earlier batch of this one's ledger",
            mend="Choose another folder with --out.",
        )
    return held


def _require_revision(revision: str | None, seal: Seal) -> None:
    """Refuse a pack that is not of the root or batch that its tag names. Raises VerificationError."""
    place = seal.predicate["ledger"]
    for form, seen in ((_ROOT_TAG, seal.head.root.hex()), (_BATCH_TAG, place and str(place["sequence"]))):
        named = form.fullmatch(revision or "")
        if named is not None and named[1] != seen:
            raise VerificationError("the tag names another pack", seen=seen, allowed=named[1])


def _require_next(remembered: Path | None, seal: Seal, previous: list[bytes] | None, repo_id: str) -> None:
    """Refuse what does not go on from the last batch that was seen, before its rows are fetched.

    Raises VerificationError.
    """
    pin = None if remembered is None else read_pin(remembered)
    if pin is None:
        return
    if previous is None:
        raise VerificationError(
            "the pack has no place in a ledger, and an earlier one from there had", mend=_forget(remembered)
        )
    try:
        advance_pin(pin, seal.key_id, previous, leaf_hash(seal.statement))
    except VerificationError as exc:
        exc.mend = _forget(remembered)
        if len(previous) > pin.size:
            exc.mend = (
                f"Pull it first: synth-stack pull {repo_id} --revision batch-{pin.size} --pin {remembered}."
            )
        raise


def _forget(remembered: Path | None) -> str:
    return f"Ask its publisher; {remembered} remembers the last batch that you pulled."


def _remember(found: Verification, remembered: Path | None, *, is_asked: bool) -> Verification:
    """The verification with its place in the ledger kept in the file `remembered`."""
    if found.place is None and not is_asked:
        told = "the pack has no place in a ledger: that it is older than another one would not be noticed"
        return replace(found, warnings=(*found.warnings, told))
    if remembered is None:
        told = "the batch was asked for by --revision, and not compared with the last one pulled from there"
        return replace(found, warnings=(*found.warnings, told))
    followed = follow_ledger(found, pin=remembered)
    if followed.problems:
        raise followed.problems[0]
    return followed
