"""Values on their way between two processes that do not trust each other: copied by exact type, or not.

What is not one of the types here (an object of a class of the program's own, a function, an iterator) stays
where it is and travels as a handle: that is the peer's part. JSON carries both, since its reader builds
nothing but plain values; nothing here runs code that came from the other side.
"""

import builtins
import collections
import datetime
import decimal
import fractions
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Coded = Any
"""JSON: a scalar stands for itself, everything else is a list that starts with its tag."""

_LARGEST_PLAIN = 2**63
_SCALARS = (str, bool, float, type(None))


class ForeignValueError(Exception):
    """The other side sent what no encoder writes."""


class Handles(Protocol):
    """What encodes and decodes all that cannot be copied."""

    def describe(self, value: Any, encoder: "Encoder") -> Coded:
        """The code of a value that stays on this side."""

    def resolve(self, code: list[Any], decoder: "Decoder") -> Any:
        """What stands for a code with a tag that is not one of a copied type."""


class Encoder:
    """Turns values into codes; a mutable container that was met before becomes a reference to its number."""

    def __init__(self, handles: Handles, objects: list[Any] | None = None) -> None:
        """Go on with `objects`, which the other side has under the same numbers."""
        self.handles = handles
        self.objects = objects if objects is not None else []
        self._numbers = {id(held): number for number, held in enumerate(self.objects)}

    def encode(self, value: Any) -> Coded:
        """The code of a value. Raises TypeError for what may not leave this side."""
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is int:
            return value if -_LARGEST_PLAIN < value < _LARGEST_PLAIN else ["i", hex(value)]
        if kind in _MUTABLE:
            number = self._numbers.get(id(value))
            if number is not None:
                return ["&", number]
            self._numbers[id(value)] = len(self.objects)
            self.objects.append(value)
            return self.encode_content(value)
        write = _IMMUTABLE.get(kind)
        return self.handles.describe(value, self) if write is None else write(self, value)

    def encode_content(self, value: Any) -> Coded:
        """The code of a mutable container itself, even where it has a number."""
        return _MUTABLE[type(value)](self, value)

    def encode_all(self, values: Any) -> list[Coded]:
        """The codes of several values."""
        encode = self.encode
        return [encode(value) for value in values]

    def encode_pairs(self, values: Mapping[Any, Any]) -> list[Coded]:
        """The codes of a mapping's pairs, in its order."""
        encode = self.encode
        return [[encode(key), encode(value)] for key, value in values.items()]


class Decoder:
    """Turns codes into values, numbering mutable containers as the encoder did."""

    def __init__(self, handles: Handles, objects: list[Any] | None = None) -> None:
        """Go on with `objects`, which the other side has under the same numbers."""
        self.handles = handles
        self.objects = objects if objects is not None else []
        self._unnumbered = False

    def keep(self, container: Any) -> Any:
        """A mutable container that was begun, under the next number; the content of an old one has none."""
        if not self._unnumbered:
            self.objects.append(container)
        self._unnumbered = False
        return container

    def decode(self, code: Coded) -> Any:
        """The value of a code. Raises ForeignValueError for what is none."""
        if type(code) is not list:
            if type(code) in _SCALARS or type(code) is int:
                return code
            raise ForeignValueError("a code is a scalar or a list")
        try:
            read = _READERS.get(code[0])
            return self.handles.resolve(code, self) if read is None else read(self, code)
        except (IndexError, TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as exc:
            raise ForeignValueError(f"a malformed code: {type(exc).__name__}") from exc

    def decode_all(self, codes: list[Coded]) -> list[Any]:
        """The values of several codes."""
        decode = self.decode
        return [decode(code) for code in codes]

    def restore(self, number: int, code: Coded) -> None:
        """Give the container with a number the content of a code, in place."""
        held = self.objects[number]
        self._unnumbered = True
        fresh = self.decode(code)
        if type(fresh) is not type(held):
            raise ForeignValueError("a container became another one")
        if isinstance(held, list | bytearray):
            held[:] = fresh
        else:
            held.clear()
            (held.extend if isinstance(held, collections.deque) else held.update)(fresh)


def _fill_list(decoder: Decoder, code: list[Any]) -> list[Any]:
    made: list[Any] = decoder.keep([])
    made.extend(decoder.decode_all(code[1]))
    return made


def _fill_mapping(make: Callable[[], Any]) -> Callable[[Decoder, list[Any]], Any]:
    def read(decoder: Decoder, code: list[Any]) -> Any:
        made = decoder.keep(make())
        for key, value in code[1]:
            made[decoder.decode(key)] = decoder.decode(value)
        return made

    return read


def _fill_default(decoder: Decoder, code: list[Any]) -> Any:
    made = decoder.keep(collections.defaultdict(None))
    made.default_factory = decoder.decode(code[2])
    for key, value in code[1]:
        made[decoder.decode(key)] = decoder.decode(value)
    return made


def _fill_set(decoder: Decoder, code: list[Any]) -> set[Any]:
    made: set[Any] = decoder.keep(set())
    made.update(decoder.decode_all(code[1]))
    return made


def _fill_deque(decoder: Decoder, code: list[Any]) -> Any:
    made: Any = decoder.keep(collections.deque(maxlen=code[2]))
    made.extend(decoder.decode_all(code[1]))
    return made


def _write_time(value: datetime.datetime | datetime.time) -> list[Any] | None:
    """The code of a time without a zone or with a fixed one; others stay where they are."""
    if value.tzinfo is None or type(value.tzinfo) is datetime.timezone:
        return ["x", type(value).__name__, value.isoformat(), value.fold]
    return None


def _encode_time(encoder: Encoder, value: Any) -> Coded:
    return _write_time(value) or encoder.handles.describe(value, encoder)


def _encode_class(encoder: Encoder, value: type) -> Coded:
    name = value.__name__
    if getattr(builtins, name, None) is value:
        return ["T", name]
    return encoder.handles.describe(value, encoder)


def _decode_class(_: Decoder, code: list[Any]) -> type:
    found = vars(builtins)[code[1]]
    if type(found) is not type:
        raise ForeignValueError("no built-in class of that name")
    return found


_TEXT_FORMS: dict[str, Callable[[str], Any]] = {
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "UUID": uuid.UUID,
    "date": datetime.date.fromisoformat,
}


def _decode_text_form(_: Decoder, code: list[Any]) -> Any:
    if code[1] in {"datetime", "time"}:
        return getattr(datetime, code[1]).fromisoformat(code[2]).replace(fold=code[3])
    if code[1] == "timedelta":
        return datetime.timedelta(*code[2])
    return _TEXT_FORMS[code[1]](code[2])


_MUTABLE: dict[type, Callable[[Encoder, Any], Coded]] = {
    list: lambda encoder, value: ["l", encoder.encode_all(value)],
    dict: lambda encoder, value: ["d", encoder.encode_pairs(value)],
    set: lambda encoder, value: ["s", encoder.encode_all(value)],
    bytearray: lambda _, value: ["B", value.decode("latin-1")],
    collections.deque: lambda encoder, value: ["Q", encoder.encode_all(value), value.maxlen],
    collections.OrderedDict: lambda encoder, value: ["O", encoder.encode_pairs(value)],
    collections.Counter: lambda encoder, value: ["C", encoder.encode_pairs(value)],
    collections.defaultdict: lambda encoder, value: [
        "D",
        encoder.encode_pairs(value),
        encoder.encode(value.default_factory),
    ],
}
_IMMUTABLE: dict[type, Callable[[Encoder, Any], Coded]] = {
    tuple: lambda encoder, value: ["t", encoder.encode_all(value)],
    frozenset: lambda encoder, value: ["f", encoder.encode_all(value)],
    bytes: lambda _, value: ["b", value.decode("latin-1")],
    complex: lambda _, value: ["c", value.real, value.imag],
    range: lambda encoder, value: ["r", *encoder.encode_all((value.start, value.stop, value.step))],
    slice: lambda encoder, value: ["S", *encoder.encode_all((value.start, value.stop, value.step))],
    type(...): lambda _encoder, _value: ["E"],
    type(NotImplemented): lambda _encoder, _value: ["N"],
    decimal.Decimal: lambda _, value: ["x", "Decimal", str(value)],
    fractions.Fraction: lambda _, value: ["x", "Fraction", str(value)],
    uuid.UUID: lambda _, value: ["x", "UUID", str(value)],
    datetime.date: lambda _, value: ["x", "date", value.isoformat()],
    datetime.datetime: _encode_time,
    datetime.time: _encode_time,
    datetime.timedelta: lambda _, value: ["x", "timedelta", [value.days, value.seconds, value.microseconds]],
    type: _encode_class,
}
_READERS: dict[str, Callable[[Decoder, list[Any]], Any]] = {
    "i": lambda _, code: int(code[1], 16),
    "&": lambda decoder, code: decoder.objects[code[1]],
    "l": _fill_list,
    "d": _fill_mapping(dict),
    "s": _fill_set,
    "B": lambda decoder, code: decoder.keep(bytearray(code[1], "latin-1")),
    "Q": _fill_deque,
    "O": _fill_mapping(collections.OrderedDict),
    "C": _fill_mapping(collections.Counter),
    "D": _fill_default,
    "t": lambda decoder, code: tuple(decoder.decode_all(code[1])),
    "f": lambda decoder, code: frozenset(decoder.decode_all(code[1])),
    "b": lambda _, code: code[1].encode("latin-1"),
    "c": lambda _, code: complex(code[1], code[2]),
    "r": lambda decoder, code: range(*decoder.decode_all(code[1:])),
    "S": lambda decoder, code: slice(*decoder.decode_all(code[1:])),
    "E": lambda _decoder, _code: ...,
    "N": lambda _decoder, _code: NotImplemented,
    "x": _decode_text_form,
    "T": _decode_class,
}
