"""Every parser of what strangers write, fed with noise: one of our sentences, or a value, and never anything else.

`make test` gives each target a moment; SYNTH_STACK_FUZZ_EXAMPLES sets how many inputs each one gets.
"""

import gzip
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth_stack.errors import SynthStackError
from synth_stack.inputs.json_text import parse_json
from synth_stack.inputs.records import read_records
from synth_stack.inputs.seeds import SEED_SCHEMA, parse_topics
from synth_stack.inputs.strict_yaml import parse_yaml
from synth_stack.lineage.ledger import read_ledger, read_pin
from synth_stack.lineage.record_form import parse_record
from synth_stack.packs import layout, verify_pack
from synth_stack.packs.shards import read_shard
from synth_stack.packs.verify.verify import inspect_pack
from synth_stack.runs.committed import find_damage
from synth_stack.runs.locks import parse_gates, parse_recipe
from tests.packs.judged_run import build_pack

EXAMPLES = int(os.environ.get("SYNTH_STACK_FUZZ_EXAMPLES", "25"))
Target = Callable[[bytes, Path], object]


def read_all(name: str) -> Target:
    def target(data: bytes, folder: Path) -> None:
        (folder / name).write_bytes(data)
        list(read_records(folder / name, max_bytes=100_000))

    return target


def read_pack_table(data: bytes, folder: Path) -> None:
    (folder / "x.parquet").write_bytes(data)
    list(read_shard(folder, "x.parquet", SEED_SCHEMA))


def read_pack_lines(data: bytes, folder: Path) -> None:
    (folder / "x.jsonl.gz").write_bytes(data)
    for number, line in enumerate(verify_pack.read_lines(folder, "x.jsonl.gz")):
        verify_pack.parse_record(line, f"record {number}")


def read_file(parse: Callable[[Path], object], name: str) -> Target:
    def target(data: bytes, folder: Path) -> None:
        (folder / name).write_bytes(data)
        parse(folder / name)

    return target


def parse_text(data: bytes, _folder: Path) -> None:
    value = parse_yaml(data.decode("utf-8", "replace"), where="x")
    parse_topics(value, where="x")


TABLE = pa.table(
    {"seed_id": ["a", "b"], "slice": ["x", "y"], "locale": [None, "en"], "text": ["one", "two"]},
    schema=SEED_SCHEMA,
)


def write_parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink, use_dictionary=False, compression="zstd")
    return sink.getvalue()


def write_arrow() -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, SEED_SCHEMA) as writer:
        writer.write_table(TABLE)
    return sink.getvalue()


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_pack(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module")
def samples(pack: Path) -> dict[str, bytes]:
    """A sound input for each target, of which noise is made."""
    line = next(verify_pack.read_lines(pack, layout.lines_name(0)))
    return {
        "record": line,
        "single record": line,
        "envelope": (pack / layout.STATEMENT).read_bytes(),
        "manifest": (pack / verify_pack.MANIFEST).read_bytes(),
        "lines": gzip.compress(line + b"\n", mtime=0),
        "recipe": (pack / layout.RECIPE).read_bytes(),
        "gates": (pack / layout.GATES).read_bytes(),
        "taxonomy": (pack / "seeds/taxonomy.yaml").read_bytes(),
        "json": b'{"a": [1, 2.5, "x\\u00e9", null, true, {"b": []}]}',
        "jsonl": b'{"prompt": "a", "answer": "b"}\n{"prompt": "c"}\n',
        "csv": b'prompt,answer\n"a, b",c\nd,"e""f"\n',
        "parquet": write_parquet(),
        "foreign parquet": write_parquet(),
        "arrow": write_arrow(),
        "ledger": b'{"scheme":"synth_stack/ledger/v1"}\n',
        "pin": b'{"key_id":"%b","root":"%b","scheme":"synth_stack/pin/v1","size":1}\n'
        % (b"a" * 64, b"b" * 64),
        "mark": b'{"files":{"part-0.parquet":"%b"},"scheme":"synth_stack/committed/v1"}\n' % (b"a" * 64),
    }


TARGETS: dict[str, Target] = {
    "record": lambda data, _: parse_record(data),
    "single record": lambda data, _: verify_pack.parse_record(data, "a record"),
    "envelope": lambda data, _: verify_pack.read_statement(verify_pack.open_envelope(data, "x")[0]),
    "manifest": read_file(lambda path: verify_pack.read_manifest(path.parent), verify_pack.MANIFEST),
    "lines": read_pack_lines,
    "recipe": lambda data, _: parse_recipe(data, where="x"),
    "gates": lambda data, _: parse_gates(data, where="x"),
    "taxonomy": parse_text,
    "json": lambda data, _: parse_json(data),
    "jsonl": read_all("x.jsonl"),
    "csv": read_all("x.csv"),
    "parquet": read_pack_table,
    "foreign parquet": read_all("x.parquet"),
    "arrow": read_all("x.arrow"),
    "ledger": read_file(read_ledger, "ledger"),
    "pin": read_file(read_pin, "pin"),
    "mark": read_file(find_damage, ".done"),
}
SAYS = {"json": (ValueError,)}
"""What a target may raise beside our own errors: a parser of values says why in its ValueError."""


@st.composite
def make_noise(draw: st.DrawFn, sample: bytes) -> bytes:
    """A sound input with parts of it changed, cut, repeated or nested; or bytes that never were one."""
    data = bytearray(sample)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        piece = draw(
            st.sampled_from(
                [b"", b"\0", b"[", b'{"', b"]," * 50, b"9" * 400, b"\xff", b"\r\n", b": ", b"&a *a"]
            )
        )
        piece = piece or draw(st.binary(max_size=8))
        if draw(st.booleans()):
            data[place : place + len(piece)] = piece
        else:
            data[place:place] = piece
    if draw(st.booleans()):
        return bytes(data[: draw(st.integers(0, len(data)))])
    return bytes(data)


def answer(name: str, data: bytes, folder: Path) -> str | None:
    """What a target says against its input; None where it took it."""
    try:
        TARGETS[name](data, folder)
    except (SynthStackError, verify_pack.Refusal, *SAYS.get(name, ())) as exc:
        return str(exc)
    return None


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_answers_noise_with_a_value_or_one_sentence(
    name: str, samples: dict[str, bytes], tmp_path: Path
) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(make_noise(samples[name]))
    def feed(data: bytes) -> None:
        said = answer(name, data, tmp_path)
        assert said is None or (said and "\n" not in said)

    feed()


@settings(
    max_examples=max(EXAMPLES // 5, 3), deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_a_pack_of_noise_is_refused_in_sentences(
    data: st.DataObject, pack: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("noise") / "pack"
    shutil.copytree(pack, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    sound = path.read_bytes()
    path.write_bytes(data.draw(make_noise(sound)))
    changed = path.read_bytes() != sound
    problems = [str(problem) for problem in inspect_pack(copy).problems]
    assert bool(problems) == changed
    assert bool(verify_pack.inspect(copy).problems) == changed
    assert all(problem.isprintable() for problem in problems)
