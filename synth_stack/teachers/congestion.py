"""How many requests one server is sent at a time: as many as it bears."""

from time import monotonic

SHRINK = 0.5
"""What is left of the limit after congestion, as in TCP (Chiu & Jain 1989,
doi:10.1016/0169-7552(89)90019-6)."""
SLOW_SHARE = 0.5
"""An answer that took this share of the time that it may take is congestion: the next may not come at all."""


NEAR, PAST = 0.75, 1.25
"""Shares of the limit that was last too much: between them a small limit grows slowly."""
SMALL = 64
"""A limit from which one more is little: it grows by one a round everywhere."""


class Congestion:
    """Additive increase, multiplicative decrease of the requests in flight, between 1 and `most`.

    It starts at `most`, which is what the recipe says that the server bears; a 429, a 503 or an answer that
    took half of its time halves the limit, once for all the requests that were in flight by then, and a round
    of good answers raises it by one. Around the limit that was last too much a small one grows slowly, a
    plateau as in RFC 9438: a server that bears few is not asked for a pause every few rounds. Past it the
    limit grows as before, since what a server bears may have grown.
    """

    def __init__(self, most: int, timeout_s: float) -> None:
        self.most = most
        self.limit = float(most)
        self.in_flight = 0
        self._slow_s = SLOW_SHARE * timeout_s
        self._shrunk_at = 0.0
        self._too_much: float | None = None

    @property
    def has_room(self) -> bool:
        return self.in_flight < int(self.limit)

    @property
    def load(self) -> float:
        """Requests in flight for each that may be."""
        return self.in_flight / self.limit

    def note_answer(self, began: float) -> None:
        """An answer to a request that was sent at `began` (time.monotonic)."""
        if monotonic() - began > self._slow_s:
            self.note_congestion(began)
        else:
            self.limit = min(self.limit + self._step / self.limit, float(self.most))

    def note_congestion(self, began: float) -> None:
        """The server asked for less, or could not keep up with a request that was sent at `began`."""
        if began >= self._shrunk_at:
            self._too_much = self.limit
            self.limit = max(self.limit * SHRINK, 1.0)
            self._shrunk_at = monotonic()

    @property
    def _step(self) -> float:
        """By how much a round of good answers raises the limit."""
        near = self._too_much is not None and NEAR <= self.limit / self._too_much <= PAST
        return min(self.limit / SMALL, 1.0) if near else 1.0
