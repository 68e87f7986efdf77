"""Every error that leaves the package.

    SynthStackError
    ├── UsageError          exit 2: mend it and run again; nothing was spent
    │   ├── ConfigError         a recipe, gate file or option
    │   ├── InputError          seeds, a dataset, an eval set, documents
    │   ├── ModelError          a model file: missing, wrong digest, unreadable
    │   ├── MissingExtra        an optional library that is not installed
    │   ├── SandboxError        no sandbox for generated code on this machine
    │   └── RunMismatch         the output folder holds a different run
    └── WorkError           exit 1: the work itself failed; what was committed is kept
        ├── TeacherError        a teacher is down, or answers nothing usable
        ├── StoreError          the disk: full, read-only, a torn file
        ├── GateError           a gate could not judge
        │   └── UntrustedGate       a gate failed its self-test: the batch fails, every row is held
        │       ├── BlindGate           it missed canaries of a kind
        │       └── UnfairGate          it turned innocent rows of a kind away
        ├── ServerError         a review server is down, or refuses what it is asked
        ├── SigningError        no key, no identity, the transparency log refused
        └── VerificationError   a pack is not what its lineage says

UnknownSigner is a UserWarning: rows were loaded of a pack that anybody may have signed.

A message is one sentence: the thing, the value seen, what is allowed, and how to mend it.
"""

from types import TracebackType
from typing import ClassVar

MAX_TOLD_CHARS = 2_000
"""Of what a message names or allows: a file may have 200,000 columns, and name one with a megabyte."""


class SynthStackError(Exception):
    """Base of every error that the package raises on purpose.

    `what` names the thing; `seen` is the value met, `allowed` what would have been accepted and
    `mend` the step that repairs it. `others` are further faults of the same file, each a sentence.
    `exit_code` is what the command line returns.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        what: str,
        *,
        seen: object = None,
        allowed: str | None = None,
        mend: str | None = None,
    ) -> None:
        self.what = what
        self.seen = seen
        self.allowed = allowed
        self.mend = mend
        self.others: tuple[str, ...] = ()
        super().__init__(what)  # one argument, so that an error survives pickling between processes

    def __str__(self) -> str:
        parts = [_shorten(self.what, MAX_TOLD_CHARS)]
        if self.seen is not None:
            parts.append(f"; seen: {_shorten(self.seen)}")
        if self.allowed is not None:
            parts.append(f"; allowed: {_shorten(self.allowed, MAX_TOLD_CHARS)}")
        if self.mend is not None:
            # what was seen may be somebody's sentence, with a full stop of its own
            parts.append(f" {self.mend}" if parts[-1].endswith(".") else f". {self.mend}")
        return "".join(parts)


class UsageError(SynthStackError):
    """Something that the caller can mend before anything is spent."""

    exit_code = 2


class Faults:
    """Faults that are told together: each block that raises a UsageError notes it, and the work goes on.

        faults = Faults()
        with faults:
            recipe = ...
        with faults:
            gates = ...
        faults.raise_all()

    What a block needs of an earlier one that failed is asked for with `if not faults`.
    """

    def __init__(self) -> None:
        self._found: list[UsageError] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, UsageError):
            self._found.append(error)
        return isinstance(error, UsageError)

    def raise_all(self) -> None:
        """Raises the first fault with all others behind it (`others`), each once; nothing for none."""
        if not self._found:
            return
        first, *rest = self._found
        told = dict.fromkeys(text for error in rest for text in (str(error), *error.others))
        first.others = tuple(dict.fromkeys((*first.others, *(text for text in told if text != str(first)))))
        raise first


class ConfigError(UsageError):
    """A recipe, a gate file or an option that cannot be used."""


class InputError(UsageError):
    """Seeds, a dataset, an eval set or documents that cannot be read as what they should be."""


class ModelError(UsageError):
    """A model file that is missing, unreadable or not the one that was pinned."""


class MissingExtra(UsageError):
    """An optional library that a chosen feature needs and that is not installed."""


class SandboxError(UsageError):
    """A sandbox for generated code that cannot be built here, or that ended."""


class RunMismatch(UsageError):
    """The output folder already holds a run made from something else."""


class WorkError(SynthStackError):
    """The work itself failed; everything committed before is kept."""


class TeacherError(WorkError):
    """A teacher that cannot be reached or that refuses every request."""


class StoreError(WorkError):
    """The disk did not take or give back what was asked of it."""


class GateError(WorkError):
    """A gate that could not judge."""


class UntrustedGate(GateError):
    """A gate that failed its self-test; the batch was judged and is held as a whole."""


class BlindGate(UntrustedGate):
    """A gate that let too many known bad rows of a kind pass."""


class UnfairGate(UntrustedGate):
    """A gate that turned too many innocent rows of a kind away."""


class ServerError(WorkError):
    """A review server that cannot be reached, or that refuses what it is asked."""


class SigningError(WorkError):
    """A batch that could not be signed."""


class VerificationError(WorkError):
    """A pack that is not what its lineage says it is."""


class UnknownSigner(UserWarning):
    """A pack was loaded whole, by a key that nobody was asked to expect."""


def replace_unprintable(text: str, *, keep: str = "", mark: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """`text` with `mark` for every character that does not print, but for those in `keep`.

    What a row, a file or a server says reaches no terminal, log or message in another form: it must not move
    the cursor, rename the window or hide a line.
    """
    return "".join(c if c.isprintable() or c in keep else mark for c in text)


def name_type(value: object) -> str:
    """What a message calls the type of a value that was read: Python's name, and JSON's for null."""
    return "null" if value is None else type(value).__name__


def _clean(text: str) -> str:
    """`text` on one line and without control characters: it may quote a library or somebody's row."""
    line = " ".join(part.strip() for part in text.splitlines() if part.strip())
    return replace_unprintable(line)


def _shorten(value: object, max_chars: int = 120) -> str:
    text = _clean(value if isinstance(value, str) else repr(value))
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"
