"""YAML as configuration: safe, bounded, no key twice, no aliases; a fault is one sentence with its place."""

from pathlib import Path
from typing import Any

import yaml

from synth_stack.errors import ConfigError

MAX_FILE_BYTES = 4 * 1024 * 1024
"""A recipe or gate file larger than this is a mistake (or an attack on the parser)."""


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping that a YAML file of at most MAX_FILE_BYTES holds. Raises ConfigError."""
    value = read_yaml(file)
    if not isinstance(value, dict):
        raise ConfigError(f"{file} must be a mapping of keys", seen=type(value).__name__)
    return value


def read_yaml(file: Path) -> Any:
    """What a YAML file of at most MAX_FILE_BYTES holds. Raises ConfigError."""
    return parse_yaml(read_text(file), where=str(file))


def read_text(file: Path, *, max_bytes: int = MAX_FILE_BYTES) -> str:
    """The text of a file of at most `max_bytes`. Raises ConfigError."""
    try:
        size = file.stat().st_size
        if size > max_bytes:
            raise ConfigError(
                f"{file} is too large for a configuration",
                seen=f"{size} bytes",
                allowed=f"at most {max_bytes}",
            )
        return file.read_text(encoding="utf-8")
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
    """A SafeLoader that refuses a mapping with the same key twice (YAML 1.2, 3.2.1.3) and aliases.

    Aliases are refused because nested ones blow up to gigabytes and no recipe needs them.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # types-PyYAML
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    problem = f"the key {key.value!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)
