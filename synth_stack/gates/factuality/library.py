"""All that answers are held against: sentences of prose, names of Python packages, operations of an API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synth_stack.gates.factuality.code_check import CodeFinding, check_code
from synth_stack.gates.factuality.openapi import ApiIndex, index_specs, list_spec_passages, read_spec
from synth_stack.gates.factuality.passages import build_shelf
from synth_stack.gates.factuality.python_index import PythonIndex, index_python
from synth_stack.gates.factuality.retrieval import SentenceIndex, index_sentences
from synth_stack.gates.word_lists import digest_list
from synth_stack.inputs.source_files import (
    CODE,
    PROSE,
    RECORDS,
    SPECS,
    FoundFiles,
    SourceFile,
    find_files,
)
from synth_stack.inputs.source_texts import SourcePassage, join_passages, read_prose
from synth_stack.models.embedders import Embedder

_TOLD_FILES = 50


@dataclass(frozen=True, slots=True)
class Library:
    """The sources, read. `index` is None without prose, `python` without packages; `facts` are for the
    record.
    """

    index: SentenceIndex | None
    python: PythonIndex | None
    api: ApiIndex
    facts: Mapping[str, Any]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to hold prose against."""
        return self.index is None

    def check_code(self, text: str) -> list[CodeFinding]:
        """What packages and APIs say of the code and the requests in a message."""
        return [*check_code(self.python, text), *self.api.check(text)]


def open_library(sources: Sequence[str], embedder: Embedder | None) -> Library:
    """The sources in order: files, folders, `package:` names. Raises InputError, MissingExtra."""
    found = find_files(sources)
    passages, specs = _read_passages(found)
    shelf = build_shelf(passages)
    index = index_sentences(shelf, embedder) if shelf.sentences else None
    python = _read_python(found)
    api = index_specs(specs)
    facts = {
        "files": len(found.files),
        "digest": found.digest if found.files else None,
        "passages": len(passages),
        "sentences": len(shelf.sentences),
        "modules": len(python.modules) if python else 0,
        "operations": len(api.operations),
        "left_out": len(found.left_out),
        "left_out_first": [f"{name}: {why}" for name, why in found.left_out[:_TOLD_FILES]],
        "lexicon": digest_list(__package__, "lexicon"),
        "embedder": dict(embedder.facts) if embedder else None,
    }
    return Library(index, python, api, facts)


def _read_passages(found: FoundFiles) -> tuple[list[SourcePassage], list[tuple[str, Mapping[str, Any]]]]:
    """The passages of prose and of API descriptions, and these descriptions."""
    specs: list[tuple[str, Mapping[str, Any]]] = []
    parts: list[Sequence[SourcePassage]] = []
    for file in found.files:
        suffix = file.path.suffix.lower()
        if suffix in PROSE | RECORDS:
            parts.append(list(read_prose(file, lambda name, why: found.left_out.append((name, why)))))
        elif suffix in SPECS:
            spec = read_spec(file)
            if isinstance(spec, str):
                found.left_out.append((file.name, spec))
            else:
                specs.append((file.name, spec))
                parts.append(list(list_spec_passages(file.name, spec)))
    return join_passages(parts), specs


def _read_python(found: FoundFiles) -> PythonIndex | None:
    files: list[SourceFile] = [file for file in found.files if file.path.suffix in CODE]
    if not files:
        return None
    texts = [(file.name, file.module or "", file.data.decode("utf-8")) for file in files]
    return index_python(texts, found.compiled)
