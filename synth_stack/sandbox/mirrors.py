"""Stand-ins for objects and classes that live in the other process; all that they do is asked of it.

A mirror has the special methods that its original has, and no others, so that `callable`, `iter` and `hash`
say of it what they say of the original. A strict mirror stands in a process whose other side is not trusted:
it never lets its original say that it equals a plain value, or answer an operator with one, since a wrong
result that says so of itself would pass every test.
"""

import collections
import keyword
from collections.abc import Callable, Sequence
from typing import Any, Protocol

COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")
_OPERATORS = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor".split()
BINARY = tuple(f"__{prefix}{name}__" for name in _OPERATORS for prefix in ("", "r"))
IN_PLACE = tuple(f"__i{name}__" for name in _OPERATORS if name != "divmod")
NUMBERS = tuple(
    f"__{name}__" for name in "abs neg pos invert int float complex index round trunc floor ceil".split()
)
ALWAYS = ("__dir__", "__copy__", "__deepcopy__")
"""What every object can do by way of the standard library."""
_OTHERS = """
call len bool getitem setitem delitem contains iter next reversed str repr format hash bytes enter exit
""".split()
SPECIALS = (*COMPARISONS, *BINARY, *IN_PLACE, *NUMBERS, *(f"__{name}__" for name in _OTHERS), *ALWAYS)

_HANDLE, _LEARNED = "_Mirror__handle", "_Mirror__learned"
_ASKING, _CLASS_HANDLE = "_MirrorClass__asking", "_MirrorClass__handle"
"""On the class; an attribute of the original must not be found under the same name."""


class Asking(Protocol):
    """The connection to the process in which the originals are."""

    strict: bool

    def ask(self, what: str, *values: Any) -> Any:
        """What comes of an operation there."""


class Mirror:
    """An object of the other process. `__learned`: an operator showed a plain value to its original."""

    __slots__ = ("__handle", "__learned")

    def __init_subclass__(cls, made_here: bool = False) -> None:
        """Classes of the other process have no subclasses here: their methods would not be seen there."""
        if not made_here:
            raise TypeError("the tests cannot make a subclass of a class of the solution in this sandbox")

    __hash__ = None  # type: ignore[assignment]  # what the original has is added


class MirrorClass(type):
    """The class of a mirrored class: making an object, its attributes and its members are asked for."""

    def __call__(cls, *args: Any, **named: Any) -> Any:
        """A new object there."""
        return _asking_of(cls).ask("call", cls, args, named)

    def __getattr__(cls, name: str) -> Any:
        """An attribute of the class there."""
        return _asking_of(cls).ask("get", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        """Set an attribute of the class there."""
        _asking_of(cls).ask("set", cls, name, value)

    def __iter__(cls) -> Any:
        """The members of an enumeration."""
        return iter(_asking_of(cls).ask("members", cls))

    def __len__(cls) -> int:
        """The number of members of an enumeration."""
        return len(_asking_of(cls).ask("members", cls))

    def __getitem__(cls, key: Any) -> Any:
        """A member of an enumeration, or a class with parameters."""
        return _asking_of(cls).ask("special", "__getitem__", cls, key)

    def __bool__(cls) -> bool:
        """True, as of every class."""
        return True

    def __instancecheck__(cls, instance: Any) -> bool:
        """Whether an object there is one of the class: said when it was first seen."""
        return issubclass(type(instance), cls)


def get_handle(mirror: Any) -> int | None:
    """The number of the original, None for what is no mirror."""
    if isinstance(mirror, MirrorClass):
        return type.__getattribute__(mirror, _CLASS_HANDLE)  # type: ignore[no-any-return]
    if issubclass(type(mirror), Mirror):
        return object.__getattribute__(mirror, _HANDLE)  # type: ignore[no-any-return]
    return None


def make_mirror(cls: type, handle: int) -> Any:
    """An object of a mirrored class."""
    made: Any = object.__new__(cls)
    object.__setattr__(made, _HANDLE, handle)
    object.__setattr__(made, _LEARNED, False)
    return made


def make_class(
    asking: Asking, handle: int, name: str, bases: Sequence[type], specials: Sequence[str], *, copied: bool
) -> type:
    """A class whose objects stand for those of a class there.

    `copied`: its originals are built-in containers, compared and shown by a copy of what they hold.
    """
    given = [base for base in bases if issubclass(base, Mirror)] or [Mirror]
    body: dict[str, Any] = {"__slots__": (), "__module__": "solution" if asking.strict else "tests"}
    body |= {"__getattr__": _get, "__setattr__": _set, "__delattr__": _delete}
    body["__doc__"] = property(lambda self: _get(self, "__doc__"))
    body |= {
        special: _make_special(special, strict=asking.strict) for special in specials if special in SPECIALS
    }
    if copied:
        body |= {
            special: _on_a_copy(special) for special in (*COMPARISONS, "__repr__", "__str__", "__contains__")
        }
    made: type = MirrorClass(name, tuple(given), body, made_here=True)
    type.__setattr__(made, _ASKING, asking)
    type.__setattr__(made, _CLASS_HANDLE, handle)
    return made


def make_exception(name: str, bases: Sequence[type]) -> type[BaseException]:
    """An exception class that stands for one there; its objects are made here, with what was said."""
    given = tuple(base for base in bases if issubclass(base, BaseException)) or (Exception,)
    return type(name, given, {"__module__": "solution", "__str__": _show_exception})


def make_named_tuple(name: str, fields: Sequence[str]) -> type:
    """A named tuple with the same fields."""
    clean = name if name.isidentifier() and not keyword.iskeyword(name) else "Fields"
    return collections.namedtuple(clean, fields)


def _show_exception(exc: BaseException) -> str:
    text = vars(exc).get("__text__")
    return text if type(text) is str else super(BaseException, exc).__repr__()


def _asking_of(cls: type) -> Asking:
    return type.__getattribute__(cls, _ASKING)  # type: ignore[no-any-return]


def _asking(mirror: Any) -> Asking:
    return _asking_of(type(mirror))


def _get(self: Any, name: str) -> Any:
    return _asking(self).ask("get", self, name)


def _set(self: Any, name: str, value: Any) -> None:
    _asking(self).ask("set", self, name, value)


def _delete(self: Any, name: str) -> None:
    _asking(self).ask("delete", self, name)


def _make_special(name: str, *, strict: bool) -> Callable[..., Any]:
    if name == "__call__":
        return lambda self, *args, **named: _asking(self).ask("call", self, args, named)
    for names, make in _STRICT if strict else ():
        if name in names:
            return make(name)
    return lambda self, *values: _asking(self).ask("special", name, self, *values)


def _compare_strictly(name: str) -> Callable[..., Any]:
    def compare(self: Any, other: Any) -> Any:
        if get_handle(other) is None:
            return NotImplemented
        return _asking(self).ask("special", name, self, other)

    return compare


def _operate_strictly(name: str) -> Callable[..., Any]:
    def operate(self: Any, other: Any, *more: Any) -> Any:
        result = _asking(self).ask("special", name, self, other, *more)
        if get_handle(other) is not None:
            return result
        if not issubclass(type(result), Mirror):
            raise TypeError(f"an object of the solution answered {name} with a plain value, on a plain value")
        object.__setattr__(result, _LEARNED, True)
        return result

    return operate


def _convert_strictly(name: str) -> Callable[..., Any]:
    def convert(self: Any, *values: Any) -> Any:
        result = _asking(self).ask("special", name, self, *values)
        if object.__getattribute__(self, _LEARNED) and not issubclass(type(result), Mirror):
            raise TypeError(f"an object of the solution that was told a plain value answered {name} with one")
        return result

    return convert


def _on_a_copy(name: str) -> Callable[..., Any]:
    def act(self: Any, *values: Any) -> Any:
        held = _asking(self).ask("copy", self)
        return getattr(held, name)(
            *(_asking(v).ask("copy", v) if get_handle(v) is not None else v for v in values)
        )

    return act


_STRICT: tuple[tuple[Sequence[str], Callable[[str], Callable[..., Any]]], ...] = (
    (COMPARISONS, _compare_strictly),
    ((*BINARY, *IN_PLACE), _operate_strictly),
    (NUMBERS, _convert_strictly),
)
"""The special methods with which a wrong result could call itself right."""
