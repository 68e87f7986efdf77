"""How many requests one server is sent at a time: as many as it bears."""

from time import monotonic

SHRINK = 0.5
"""What is left of the limit after congestion, as in TCP (Chiu & Jain 1989,
doi:10.1016/0169-7552(89)90019-6)."""
SLOW_SHARE = 0.5
"""An answer that took this share of the time that it may take is congestion: the next may not come at all."""


class Congestion:
    """Additive increase, multiplicative decrease of the requests in flight, between 1 and `most`.

    It starts at `most`, which is what the recipe says that the server bears; a 429, a 503 or an answer that
    took half of its time halves the limit, once for all the requests that were in flight by then, and a round
    of good answers raises it by one.
    """

    def __init__(self, most: int, timeout_s: float) -> None:
        self.most = most
        self.limit = float(most)
        self.in_flight = 0
        self._slow_s = SLOW_SHARE * timeout_s
        self._shrunk_at = 0.0

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
            self.limit = min(self.limit + 1 / self.limit, float(self.most))

    def note_congestion(self, began: float) -> None:
        """The server asked for less, or could not keep up with a request that was sent at `began`."""
        if began >= self._shrunk_at:
            self.limit = max(self.limit * SHRINK, 1.0)
            self._shrunk_at = monotonic()
