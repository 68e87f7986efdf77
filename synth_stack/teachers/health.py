"""Whether a teacher can still answer: one bad row, an outage, or a server that will never take us."""

from dataclasses import dataclass

MAX_FAILURES_IN_A_ROW = 8
"""Requests in a row, each already retried, after which a server counts as down."""


@dataclass(slots=True)
class Health:
    """What the requests so far say of a server: `down` is None or the sentence that stops the run.

    `failures` counts the requests that failed, and the first `forgiven` of them were no outage: a request
    that began after them was answered. `answers` counts texts; `textless` the requests that ended without
    one, of which `trouble` says why the last did. `mistake` says that the server refused us before its first
    answer, so that nothing was spent and the configuration is to be mended.
    """

    down: str | None = None
    mistake: bool = False
    failures_in_a_row: int = 0
    failures: int = 0
    forgiven: int = 0
    refusals: int = 0
    empties: int = 0
    answers: int = 0
    trouble: str | None = None

    @property
    def textless(self) -> int:
        """Requests that ended without a text."""
        return self.failures + self.refusals + self.empties

    def note_answer(self, began: int) -> None:
        """An answer to a request that began when `failures` was `began`."""
        self.failures_in_a_row = 0
        self.forgiven = max(self.forgiven, began)
        self.answers += 1

    def note_refusal(self, what: str, began: int) -> None:
        """A refused prompt is that prompt's matter, unless nothing was answered yet: then it is ours."""
        self._note_alive(what, began)
        self.refusals += 1
        if self.down is None and not self.answers and self.refusals >= MAX_FAILURES_IN_A_ROW:
            self.down = f"{what} (and so each of the first {self.refusals})"
            self.mistake = not self.empties

    def note_empty(self, what: str, began: int) -> None:
        """An answer without a text is its prompt's matter, unless no answer has had one yet."""
        self._note_alive(what, began)
        self.empties += 1
        if self.down is None and not self.answers and self.empties >= MAX_FAILURES_IN_A_ROW:
            self.down = f"gave no text in its first {self.empties} answers: {what}"

    def note_failure(self, what: str, *, fatal: bool, mistake: bool = False) -> None:
        """A request that got no answer; `fatal` when none ever will, `mistake` when that is our doing."""
        self.failures += 1
        self.failures_in_a_row += 1
        self.trouble = what
        if self.down is None and (fatal or self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW):
            self.down = what
            self.mistake = mistake and not self.answers and not self.empties

    def _note_alive(self, what: str, began: int) -> None:
        self.failures_in_a_row = 0
        self.forgiven = max(self.forgiven, began)
        self.trouble = what
