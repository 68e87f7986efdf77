"""One end of the line between the tests' process and the solution's: what is asked, done and answered.

A message is four bytes of length and a JSON list: `["?", what, [values]]` asks, `["=", value, changes]`
answers, `["!", exception, changes]` raises, `["o", text]` is what was printed. While one side waits for its
answer it serves what the other asks in between: that is how a test's function is called by the solution.
`changes` are the new contents of the mutable containers that stood in the question.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from synth_stack.sandbox.actions import perform
from synth_stack.sandbox.handles import HandleTable
from synth_stack.sandbox.line import LostError, MessageLine
from synth_stack.sandbox.values import Decoder, Encoder, ForeignValueError

_ENDS = (StopIteration, StopAsyncIteration, GeneratorExit)


class Peer(MessageLine):
    """One end. `strict`: the other side is not trusted, and nothing but its values and handles is believed.

    `printed` is given the text that the other side prints, and `broken` is the first failed assertion of this
    side's own code while it was called from there: the other side may swallow what it likes, but not that.
    """

    def __init__(self, line: int, *, strict: bool, printed: Callable[[str], object]) -> None:
        """Talk on the file `line`."""
        super().__init__(line)
        self.strict = strict
        self.broken: BaseException | None = None
        self.before_answer: Callable[[], None] = lambda: None
        self.handles = HandleTable(self)
        self._printed = printed
        self._lock = threading.RLock()
        self._depth = 0
        self._owner = threading.get_ident()

    # what this side asks

    def ask(self, what: str, *values: Any) -> Any:
        """What comes of an operation on the other side. Raises what it raises, or LostError."""
        if not self.strict and threading.get_ident() != self._owner:
            raise RuntimeError("only the thread that the tests called can call them back")
        with self._lock:
            encoder = Encoder(self.handles)
            self.send(["?", what, encoder.encode_all(values)])
            self._depth += 1
            try:
                answer = self._await()
            finally:
                self._depth -= 1
            decoder = Decoder(self.handles, encoder.objects)
            try:
                for number, content in answer[2]:
                    decoder.restore(number, content)
                result = decoder.decode(answer[1])
            except (ForeignValueError, IndexError, TypeError, ValueError) as exc:
                raise LostError("the other side sent no value") from exc
        if self.strict and self.broken is not None and self._depth == 0:
            raise self.broken
        if answer[0] == "!":
            raise self._soften(result, what, values)
        return result

    def _soften(self, exc: Any, what: str, values: Sequence[Any]) -> BaseException:
        """The exception, with the end of an iteration changed where nothing was iterated."""
        if not isinstance(exc, BaseException):
            return LostError("the other side raised no exception")
        if isinstance(exc, _ENDS) and not (what == "special" and values[0] == "__next__"):
            return RuntimeError(f"the solution raised {type(exc).__name__}")
        return exc

    def _await(self) -> list[Any]:
        """The next answer; what is asked before it is served."""
        while True:
            message = self.receive()
            if message[0] in {"o", "?"}:
                self.take(message)
            elif message[0] in {"=", "!"} and len(message) == 3:
                return message
            else:
                raise LostError("the other side sent no answer")

    # what this side is asked

    def serve(self) -> None:
        """Answer until the line is closed."""
        while True:
            self._answer(self.receive())

    def take(self, message: list[Any]) -> None:
        """Print or answer a message that the other side sent of its own accord."""
        if message[0] == "?":
            self._answer(message)
        else:
            self._printed(str(message[1]))

    def _answer(self, message: list[Any]) -> None:
        decoder = Decoder(self.handles)
        try:
            what, codes = message[1:]
            values = decoder.decode_all(codes)
        except (ForeignValueError, ValueError, TypeError) as exc:
            raise LostError("the other side asked nothing that can be read") from exc
        objects = decoder.objects
        given = Encoder(self.handles, list(objects))
        before = [given.encode_content(held) for held in objects]
        try:
            tag, result = "=", perform(what, values, strict=self.strict)
        except LostError:
            raise
        except BaseException as exc:  # noqa: BLE001  (every end of a call is an answer)
            if isinstance(exc, AssertionError) and self.strict and self.broken is None:
                self.broken = exc
            tag, result = "!", exc
        encoder = Encoder(self.handles, objects)
        try:
            after = [
                (number, encoder.encode_content(held)) for number, held in enumerate(objects[: len(before)])
            ]
            changes = [[number, content] for number, content in after if content != before[number]]
            reply = [tag, encoder.encode(result), changes]
        except (TypeError, RecursionError, AttributeError) as exc:
            reply = [
                "!",
                self.handles.encode_exception(TypeError(str(exc)), Encoder(self.handles, list(objects))),
                [],
            ]
        self.before_answer()
        self.send(reply)
