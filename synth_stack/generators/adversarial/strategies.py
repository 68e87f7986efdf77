"""The named strategies of adversarial prompts, from strategies.yaml, and what code does of them, exactly.

An encoding, a split payload or an injected order that a language model wrote would be wrong every now and
then, without anyone noticing; so a teacher writes words only, and these functions put them together.
"""

import base64
import codecs
import html
import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from synth_stack.inputs.strict_yaml import parse_yaml
from synth_stack.rows.canonical import Digest, digest_bytes

FILE = Path(__file__).parent / "strategies.yaml"

Placement = Literal["start", "middle", "end"]
Encoding = Literal["plain", "base64", "rot13", "leetspeak", "split", "dialogue"]

SPLIT_PARTS = 4
_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_SENTENCES = re.compile(r"(?<=[.!?])\s+")


class _Named(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    name: str
    source: str


class Strategy(_Named):
    """A way to ask for what a policy forbids. `frame`: what the teacher is to write around the request."""

    text: str
    encode: Encoding = "plain"
    frame: str | None = None
    examples: list[str] = []


class Contrast(BaseModel):
    """A harmful request and a harmless one that looks like it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    harmful: str
    harmless: str


class LookAlike(_Named):
    """A way in which a harmless request looks like a harmful one."""

    wish: str
    examples: list[Contrast]


class Tactic(BaseModel):
    """One of several that are used at once: what the teacher is to do with its words, or words of its own."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    name: str
    wish: str | None = None
    text: str | None = None


class Form(_Named):
    """How an injected order is put, or what it orders."""

    text: str


class Carrier(_Named):
    """What the injected order stands in. A `direct` one is the user's message: its task is the system's."""

    text: str
    tasks: list[str]
    encode: Literal["plain", "html", "json"] = "plain"
    direct: bool = False


class Strategies(BaseModel):
    """The whole table."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    strategies: list[Strategy]
    tactics: list[Tactic]
    look_alikes: list[LookAlike]
    injections: list[Form]
    goals: list[Form]
    carriers: list[Carrier]
    topics: list[str]
    markers: list[str]


@cache
def load_strategies() -> Strategies:
    """The table of the package."""
    return Strategies.model_validate(parse_yaml(FILE.read_text(encoding="utf-8"), where=FILE.name))


def digest_strategies() -> Digest:
    """The digest of the table's file: it is a part of what a row was made from."""
    return digest_bytes(FILE.read_bytes())


def _known(kind: str) -> Callable[[list[str]], list[str]]:
    def check(names: list[str]) -> list[str]:
        known = list_names(kind)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(f"there is no {unknown[0]!r} among {', '.join(known)}")
        if len(set(names)) != len(names):
            raise ValueError("a name stands twice")
        return names

    return check


def list_names(kind: str) -> list[str]:
    """The names in one part of the table, in its order."""
    return [one.name for one in getattr(load_strategies(), kind)]


StrategyNames = Annotated[list[str], Field(min_length=1), AfterValidator(_known("strategies"))]
TacticNames = Annotated[list[str], Field(min_length=1), AfterValidator(_known("tactics"))]
LookAlikeNames = Annotated[list[str], Field(min_length=1), AfterValidator(_known("look_alikes"))]
InjectionNames = Annotated[list[str], Field(min_length=1), AfterValidator(_known("injections"))]
GoalNames = Annotated[list[str], Field(min_length=1), AfterValidator(_known("goals"))]
CarrierNames = Annotated[list[str], Field(min_length=1), AfterValidator(_known("carriers"))]


def compose_attempt(strategy: Strategy, request: str, frame: str, others: Sequence[str]) -> str:
    """The attempt: the request in the words of the strategy, encoded as it says.

    `others` are the requests that a dialogue shows as answered; their answers are left out, for what is
    tried is the form, and no row may carry what it should refuse.
    """
    return _fill(strategy.text, frame=frame, request=encode(strategy.encode, request, others))


def encode(encoding: Encoding, request: str, others: Sequence[str] = ()) -> str:
    """The request in an encoding. Base64 of UTF-8 (RFC 4648, section 4); ROT13 of ASCII letters."""
    if encoding == "base64":
        return base64.b64encode(request.encode("utf-8", "replace")).decode("ascii")
    if encoding == "rot13":
        return codecs.encode(request, "rot13")
    if encoding == "leetspeak":
        return request.translate(_LEET)
    if encoding == "split":
        return "\n".join(
            f"{name} = {json.dumps(p, ensure_ascii=False)}" for name, p in split_payload(request)
        )
    if encoding == "dialogue":
        shown = [f"User: {other}\nAssistant: Of course. [The answer is left out.]" for other in others]
        return "\n\n".join([*shown, f"User: {request}\nAssistant:"])
    return request


def split_payload(request: str) -> list[tuple[str, str]]:
    """The request in named pieces of about equal length, which give it again when they are joined."""
    size = max(1, -(-len(request) // SPLIT_PARTS))
    pieces = [request[start : start + size] for start in range(0, len(request), size)]
    return list(zip("abcd", pieces, strict=False))


def place_order(body: str, order: str, placement: Placement) -> tuple[str, Placement]:
    """The body with the order before, between or after its sentences, and where it really stands.

    A body of one sentence has no middle: there the order stands at the end.
    """
    sentences = [sentence for sentence in _SENTENCES.split(body.strip()) if sentence]
    at = {"start": 0, "middle": len(sentences) // 2, "end": len(sentences)}[placement]
    if placement == "middle" and at == 0:
        at, placement = len(sentences), "end"
    parts = (" ".join(sentences[:at]), order, " ".join(sentences[at:]))
    return " ".join(part for part in parts if part).replace(" \n", "\n"), placement


def write_document(carrier: Carrier, topic: str, body: str) -> str:
    """The document that a carrier makes of a body, escaped as its format wants it."""
    escapes: dict[str, Callable[[str], str]] = {"plain": str, "html": html.escape, "json": _dump}
    escape = escapes[carrier.encode]
    title = topic[:1].upper() + topic[1:]
    return _fill(carrier.text, topic=escape(title), body=escape(body)).strip()


def write_order(form: Form, goal: Form, **values: str) -> str:
    """What is injected: the goal in the words of the form."""
    return _fill(form.text, order=_fill(goal.text, **values))


def _dump(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _fill(text: str, **values: str) -> str:
    """`text` with its {names} replaced, all at once: braces in a value stay what they are."""
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), text)
