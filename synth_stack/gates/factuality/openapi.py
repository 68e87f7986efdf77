"""Operations of OpenAPI files, and what answers say of them: unknown paths, parameters, deprecated
operations.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from synth_stack.gates.factuality.code_check import CodeFinding, CodeSort
from synth_stack.inputs.source_files import SourceFile
from synth_stack.inputs.source_texts import SourcePassage

MAX_VALUES = 500_000
"""Values of one file, whatever it refers to; the largest public descriptions have a third of it."""
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_CALL = re.compile(
    r"\b(?P<method>GET|PUT|POST|DELETE|OPTIONS|HEAD|PATCH)[ \t]+`?(?P<path>(?:https?://[\w.-]{1,100}(?::\d{1,5})?)?"
    r"/[\w/{}<>:.~%-]{0,200})(?:\?(?P<query>[\w%.~=&\[\]{}-]{1,300}))?"
)
_CURL = re.compile(
    r"curl\b[^\n|;]{0,200}?(?:-X[ ]?(?P<method>[A-Z]+)[^\n|;]{0,100}?)?(?P<url>https?://[^\s\"'`]{1,300})"
)


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path, with the names of its query parameters."""

    method: str
    path: str
    query: frozenset[str]
    deprecated: bool
    file: str


@dataclass(frozen=True, slots=True)
class ApiIndex:
    """The operations of all files, and the addresses of their servers."""

    operations: tuple[Operation, ...]
    servers: tuple[str, ...]

    def check(self, text: str) -> list[CodeFinding]:
        """What is said of the requests in a text: `GET /users?limit=3`, or curl on one of the servers."""
        if not self.operations:
            return []
        return [finding for call in self._find_calls(text) for finding in self._check_call(*call)]

    def _find_calls(self, text: str) -> Iterator[tuple[str, str, str, int, int]]:
        for match in _CALL.finditer(text):
            yield match["method"], match["path"], match["query"] or "", match.start(), match.end()
        for match in _CURL.finditer(text):
            url, _, query = match["url"].partition("?")
            if self._strip_server(url) is not None:
                yield match["method"] or "GET", url, query, match.start("url"), match.end("url")

    def _strip_server(self, path: str) -> str | None:
        """The path without the address of a server; None for a server that no file names."""
        if path.startswith("/"):
            return path
        fitting = [server for server in self.servers if path.startswith(server)]
        return path[len(max(fitting, key=len)) :] or "/" if fitting else None

    def _check_call(self, method: str, path: str, query: str, start: int, end: int) -> Iterator[CodeFinding]:
        local = self._strip_server(path.rstrip(".,;:"))
        if local is None:
            return
        local = local.rstrip("/") or "/"
        bases = {"", *(re.sub(r"^https?://[^/]*", "", server) for server in self.servers)}
        fitting = [
            operation
            for operation in self.operations
            for base in bases
            if _fits(base + operation.path, local) or _fits(operation.path, local)
        ]
        mine = [operation for operation in fitting if operation.method == method.lower()]
        name = f"{method} {local}"
        if not mine:
            said = f"{local} has no {method}" if fitting else f"there is no path {local}"
            yield CodeFinding("invented_name", name, said, start, end, fitting[0].file if fitting else None)
            return
        known = frozenset(parameter for operation in mine for parameter in operation.query)
        for pair in filter(None, query.split("&")):
            parameter = pair.partition("=")[0].removesuffix("[]")
            if parameter not in known:
                said = f"{name} has no parameter {parameter}"
                yield CodeFinding("invented_parameter", f"{name}?{parameter}", said, start, end, mine[0].file)
        gone = all(operation.deprecated for operation in mine)
        sort: CodeSort = "deprecated_name" if gone else "known"
        yield CodeFinding(sort, name, f"{name} is deprecated" if gone else "", start, end, mine[0].file)


def read_spec(file: SourceFile) -> Mapping[str, Any] | str:
    """The OpenAPI description in a file, or why it is none. Aliases of YAML are refused: they grow without
    end.
    """
    try:
        text = file.data.decode("utf-8")
        is_json = file.path.suffix.lower() == ".json"
        value = json.loads(text) if is_json else yaml.load(text, _Plain)  # noqa: S506  (a SafeLoader)
    except (ValueError, yaml.YAMLError, RecursionError) as exc:
        return f"not readable: {type(exc).__name__}"
    if not isinstance(value, dict) or not ("openapi" in value or "swagger" in value):
        return "no OpenAPI description"
    if not isinstance(value.get("paths"), dict):
        return "an OpenAPI description without paths"
    return value


def index_specs(specs: Iterable[tuple[str, Mapping[str, Any]]]) -> ApiIndex:
    """The operations of descriptions given with the names of their files."""
    operations: list[Operation] = []
    servers: list[str] = []
    for file, spec in specs:
        servers += _list_servers(spec)
        for path, item in spec["paths"].items():
            if not isinstance(item, dict):
                continue
            shared = _read_query(spec, item.get("parameters"))
            for method in _METHODS:
                told = item.get(method)
                if isinstance(told, dict):
                    query = shared | _read_query(spec, told.get("parameters"))
                    operations.append(
                        Operation(method, str(path), query, told.get("deprecated") is True, file)
                    )
    return ApiIndex(tuple(operations), tuple(dict.fromkeys(servers)))


def list_spec_passages(file: str, spec: Mapping[str, Any]) -> Iterator[SourcePassage]:
    """What a description says in prose: of itself, and of each operation and its parameters."""
    info = spec.get("info")
    about = info.get("description") if isinstance(info, dict) else None
    if isinstance(about, str) and about.strip():
        yield SourcePassage(f"{file}#info", file, "", about, 0)
    for path, item in spec["paths"].items():
        for method in _METHODS:
            told = item.get(method) if isinstance(item, dict) else None
            if not isinstance(told, dict):
                continue
            lines = [told.get("summary"), told.get("description")]
            lines += [
                f"{parameter.get('name')}: {parameter['description']}"
                for parameter in _list_parameters(spec, told.get("parameters"))
                if parameter.get("description")
            ]
            text = "\n".join(line for line in lines if isinstance(line, str) and line.strip())
            if text:
                yield SourcePassage(f"{file}#{method}-{path}", file, f"{method.upper()} {path}", text, 0)


class _Plain(yaml.SafeLoader):
    """Safe YAML without aliases and with a bounded number of values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        self.composed = getattr(self, "composed", 0) + 1
        if self.composed > MAX_VALUES:
            raise yaml.YAMLError("too many values")
        return super().compose_node(parent, index)


def _list_servers(spec: Mapping[str, Any]) -> Iterator[str]:
    servers = spec.get("servers")
    for server in servers if isinstance(servers, list) else ():
        url = server.get("url") if isinstance(server, dict) else None
        if isinstance(url, str) and "{" not in url:
            yield url.rstrip("/")
    host, base = spec.get("host"), spec.get("basePath")
    if isinstance(host, str):
        yield f"https://{host}{base if isinstance(base, str) else ''}".rstrip("/")


def _read_query(spec: Mapping[str, Any], parameters: Any) -> frozenset[str]:
    found = _list_parameters(spec, parameters)
    return frozenset(str(each.get("name")) for each in found if each.get("in") == "query")


def _list_parameters(spec: Mapping[str, Any], parameters: Any) -> Iterator[Mapping[str, Any]]:
    """The parameters of a list; a reference within the file is followed once."""
    for each in parameters if isinstance(parameters, list) else ():
        found = each
        if isinstance(each, dict) and isinstance(each.get("$ref"), str):
            found = spec
            for part in each["$ref"].removeprefix("#/").split("/"):
                found = found.get(part) if isinstance(found, dict) else None
        if isinstance(found, dict):
            yield found


def _fits(template: str, path: str) -> bool:
    """Whether a path is one of a template: "/users/{id}" is of "/users/7" and of "/users/:id"."""
    mine, theirs = template.rstrip("/").split("/"), path.rstrip("/").split("/")
    if len(mine) != len(theirs):
        return False
    return all("{" in a or a == b for a, b in zip(mine, theirs, strict=True))
