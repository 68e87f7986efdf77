"""Objects that stay in their process: the numbers by which the other one asks for them, and their mirrors."""

import sys
import types
from collections.abc import Callable
from typing import Any

from synth_stack.sandbox.mirrors import (
    ALWAYS,
    SPECIALS,
    Asking,
    Mirror,
    get_handle,
    make_class,
    make_exception,
    make_mirror,
    make_named_tuple,
)
from synth_stack.sandbox.shared_names import SHARED_MODULES, find_shared, name_shared
from synth_stack.sandbox.values import Coded, Decoder, Encoder, ForeignValueError

_CONTAINERS = (list, dict, set, bytearray)
_MOST_TEXT = 2000


class HandleTable:
    """What this side has exported, and the mirrors of what the other side has."""

    def __init__(self, asking: Asking) -> None:
        """Mirrors ask `asking` for what they do."""
        self._asking = asking
        self._exported: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._mirrors: dict[int, Any] = {}
        self._told: set[int] = set()

    def export(self, value: Any) -> int:
        """The number under which the other side can ask for a value, which is kept from now on."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._exported)
            self._exported.append(value)
        return number

    def mirror_object(self, number: int) -> Any:
        """What stands for a value there of which only attributes are asked, such as a module."""
        cls = make_class(self._asking, -1, "object", (), ALWAYS, copied=False)
        return make_mirror(cls, number)

    def describe(self, value: Any, encoder: Encoder) -> Coded:
        """The code of what cannot be copied: an exception, a named tuple, a class, or an object's number."""
        handle = get_handle(value)
        if handle is not None:
            return ["p", handle]
        if isinstance(value, type):
            return name_shared(value) or self._describe_class(value, encoder)
        if isinstance(value, BaseException):
            return self.encode_exception(value, encoder)
        kind = type(value)
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return ["n", self._describe_class(kind, encoder), encoder.encode_all(value)]
        if issubclass(kind, types.ModuleType) and self._asking.strict:
            raise TypeError("a module cannot be given to the solution")
        if issubclass(kind, types.CoroutineType):
            return ["a", self.export(value)]
        return name_shared(value) or ["o", self.export(value), self._describe_class(kind, encoder)]

    def describe_name(self, value: Any) -> Coded:
        """The code of what a module-level name stands for: a container stays here, and is seen to change."""
        if isinstance(value, types.ModuleType):
            return ["m", value.__name__, self.export(value)]
        encoder = Encoder(self)
        if type(value) in _CONTAINERS:
            return ["v", self.export(value), self._describe_class(type(value), encoder)]
        return encoder.encode(value)

    def _describe_class(self, cls: type, encoder: Encoder) -> Coded:
        """A class by its number, and the first time with all that a mirror of it needs."""
        number = self.export(cls)
        if number in self._told:
            return ["k", number]
        self._told.add(number)
        bases = [encoder.encode(base) for base in cls.__bases__ if base is not object]
        fields = list(cls._fields) if issubclass(cls, tuple) and hasattr(cls, "_fields") else None
        return ["k", number, [cls.__name__, bases, _list_specials(cls), fields]]

    def encode_exception(self, exc: BaseException, encoder: Encoder) -> Coded:
        """The code of an exception: its class, arguments, text and attributes, as far as they can leave."""
        try:
            text = str(exc)[:_MOST_TEXT]
        except BaseException:  # noqa: BLE001  (its __str__ is the program's own)
            text = ""
        args = [self._try(value, encoder) for value in exc.args]
        named = dict(getattr(exc, "__dict__", {}))
        shown = {str(name): self._try(value, encoder) for name, value in named.items()}
        return ["e", encoder.encode(type(exc)), args, text, shown]

    def _try(self, value: Any, encoder: Encoder) -> Coded:
        try:
            return encoder.encode(value)
        except (TypeError, RecursionError, AttributeError):
            return repr(type(value))

    def resolve(self, code: list[Any], decoder: Decoder) -> Any:
        """What stands for a code of `describe`. Raises ForeignValueError for what is none."""
        read = _READERS.get(code[0])
        if read is None:
            raise ForeignValueError("an unknown code")
        return read(self, code, decoder)

    def _resolve_own(self, code: list[Any], _: Decoder) -> Any:
        if type(code[1]) is not int or code[1] < 0:
            raise ForeignValueError("no number")
        return self._exported[code[1]]

    def _resolve_shared(self, code: list[Any], _: Decoder) -> Any:
        if code[1] not in SHARED_MODULES:
            raise ForeignValueError("no shared module")
        return find_shared(code[1], code[2])

    def _resolve_fields(self, code: list[Any], decoder: Decoder) -> Any:
        cls: Any = self._resolve_class(code[1], decoder)
        return cls._make(decoder.decode_all(code[2]))

    def _resolve_object(self, code: list[Any], decoder: Decoder) -> Any:
        mirror = self._mirrors.get(code[1])
        if mirror is None:
            mirror = self._mirrors[code[1]] = self._make_mirror(code, decoder)
        return mirror

    def resolve_name(self, code: Coded) -> Any:
        """What stands for a code of `describe_name`. Raises ForeignValueError for what is none."""
        if type(code) is list and code[:1] == ["m"]:
            return self._resolve_module(*code[1:])
        return Decoder(self).decode(code)

    def _resolve_module(self, name: Any, number: Any) -> Any:
        """The own module of that name where there is one, else what stands for the other side's."""
        if type(name) is not str or type(number) is not int:
            raise ForeignValueError("no module")
        own = sys.modules.get(name)
        return self.mirror_object(number) if own is None else own

    def _make_mirror(self, code: list[Any], decoder: Decoder) -> Any:
        cls = self._resolve_class(code[2], decoder, copied=code[0] == "v")
        if not issubclass(cls, Mirror):
            raise ForeignValueError("a class that has no objects here")
        if type(code[1]) is not int:
            raise ForeignValueError("no number")
        return make_mirror(cls, code[1])

    def _resolve_class(self, code: list[Any], decoder: Decoder, *, copied: bool = False) -> type:
        tag, number, *told = code
        if tag != "k" or type(number) is not int:
            raise ForeignValueError("no class")
        if number not in self._mirrors:
            name, bases, specials, fields = told[0]
            given = [base for base in decoder.decode_all(bases) if isinstance(base, type)]
            if fields is not None:
                made = make_named_tuple(name, fields)
            elif any(issubclass(base, BaseException) for base in given):
                made = make_exception(name, given)
            else:
                made = make_class(self._asking, number, name, given, [*specials, *ALWAYS], copied=copied)
            self._mirrors[number] = made
        found = self._mirrors[number]
        if not isinstance(found, type):
            raise ForeignValueError("no class has that number")
        return found

    def _resolve_exception(self, code: list[Any], decoder: Decoder) -> BaseException:
        cls = decoder.decode(code[1])
        args = decoder.decode_all(code[2])
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise ForeignValueError("no exception class")
        try:
            made = cls(*args)
        except (TypeError, ValueError):
            made = RuntimeError(str(code[3]))
        for name, value in code[4].items():
            if not name.startswith("__"):
                setattr(made, name, decoder.decode(value))
        if vars(cls).get("__module__") == "solution":
            vars(made)["__text__"] = str(code[3])
        return made

    def _await_there(self, code: list[Any], _: Decoder) -> Any:
        there = self.mirror_object(int(code[1]))

        async def wait() -> Any:
            return self._asking.ask("await", there)

        return wait()


def _list_specials(cls: type) -> list[str]:
    """The special methods that objects of the class have and `object` has not."""
    found = []
    for name in SPECIALS:
        method = getattr(cls, name, None)
        if method is not None and method is not getattr(object, name, None):
            found.append(name)
    if "__hash__" not in found and getattr(cls, "__hash__", None) is not None:
        found.append("__hash__")
    return found


_READERS: dict[str, Callable[[HandleTable, list[Any], Decoder], Any]] = {
    "p": HandleTable._resolve_own,
    "k": HandleTable._resolve_class,
    "M": HandleTable._resolve_shared,
    "e": HandleTable._resolve_exception,
    "n": HandleTable._resolve_fields,
    "a": HandleTable._await_there,
    "o": HandleTable._resolve_object,
    "v": HandleTable._resolve_object,
}
