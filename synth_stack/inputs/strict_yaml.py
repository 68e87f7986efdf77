"""YAML as configuration: safe, bounded, no key twice, no aliases; a fault is one sentence with its place."""

import re
from pathlib import Path
from typing import Any

import yaml

from synth_stack.errors import ConfigError, name_type
from synth_stack.files import read_regular

MAX_FILE_BYTES = 4 * 1024 * 1024
"""A recipe or gate file larger than this is a mistake (or an attack on the parser)."""
MAX_VALUES = 100_000
"""Keys and values of one file. Each takes a kilobyte and 50 us until the file is read, and no lock has a
tenth.
"""
MAX_DEPTH = 100
"""Values in each other; the deepest parameters of a gate are five deep."""
MAX_NUMBER_CHARS = 400
"""The longest whole number that a float holds has 309 digits."""


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping that a YAML file of at most MAX_FILE_BYTES holds. Raises ConfigError."""
    value = read_yaml(file)
    if not isinstance(value, dict):
        raise ConfigError(f"{file} must be a mapping of keys", seen=name_type(value))
    return value


def read_yaml(file: Path) -> Any:
    """What a YAML file of at most MAX_FILE_BYTES holds. Raises ConfigError."""
    return parse_yaml(read_text(file), where=str(file))


def read_text(file: Path, *, max_bytes: int = MAX_FILE_BYTES) -> str:
    """The text of a file of at most `max_bytes`. Raises ConfigError."""
    try:
        data = read_regular(file, max_bytes=max_bytes)
        if len(data) > max_bytes:
            raise ConfigError(
                f"{file} is too large for a configuration",
                seen=f"{file.stat().st_size} bytes",
                allowed=f"at most {max_bytes}",
            )
        return data.decode("utf-8")
    except OSError as exc:
        raise ConfigError(f"{file} cannot be read: {exc.strerror}", mend="Check the path.") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{file} is not UTF-8: byte {exc.start} is {exc.object[exc.start]:#04x}") from exc


def parse_yaml(text: str, *, where: str) -> Any:
    """Safe YAML in which no key stands twice. Raises ConfigError with line and column."""
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        place = f"{where}: line {mark.line + 1}, column {mark.column + 1}" if mark else where
        raise ConfigError(f"{place} is not YAML: {exc.problem}") from exc
    # PyYAML lets the last two out for `!!int ""`, `!!bool x` and `!!timestamp x`
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError) as exc:
        raise ConfigError(f"{where} is not YAML that can be read: {exc}") from exc


class _UniqueKeyLoader(yaml.SafeLoader):
    """A SafeLoader that refuses a mapping with the same key twice (YAML 1.2, 3.2.1.3), aliases, and more
    values or depth than a configuration has.

    Aliases are refused because nested ones blow up to gigabytes and no recipe needs them. A number in sixties
    (`1:30`) is the text that it is in YAML 1.2.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._values = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # types-PyYAML
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        self._values += 1
        self._depth += 1
        if self._values > MAX_VALUES:
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_VALUES} values", mark)
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"values more than {MAX_DEPTH} deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"the key {key.value!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """A whole number or a float; of one that is too long for either, that it is none."""
        if len(node.value) > MAX_NUMBER_CHARS:
            raise yaml.constructor.ConstructorError(None, None, "a number is too long", node.start_mark)
        whole = node.tag == "tag:yaml.org,2002:int"
        return self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)


def _drop_sixties() -> None:
    """Numbers as YAML 1.1 reads them, without those in sixties: their value takes quadratic time to
    compute.
    """
    kinds = {
        "tag:yaml.org,2002:int": r"[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+",
        "tag:yaml.org,2002:float": (
            r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
    }
    resolvers = {
        first: [(tag, form) for tag, form in forms if tag not in kinds]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _UniqueKeyLoader.yaml_implicit_resolvers = resolvers
    for tag, form in kinds.items():
        _UniqueKeyLoader.add_implicit_resolver(tag, re.compile(f"^(?:{form})$"), list("-+0123456789."))
        _UniqueKeyLoader.add_constructor(tag, _UniqueKeyLoader.construct_number)


_drop_sixties()
