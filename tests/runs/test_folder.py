"""The run folder: whole files or none, one run a folder, one process at a time."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_stack.errors import RunMismatch, StoreError
from synth_stack.files import (
    SHARD_ROWS,
    count_rows,
    digest_file,
    measure_table,
    read_arrow,
    read_table,
    render_yaml,
    write_bytes,
    write_table,
    write_tables,
)
from synth_stack.rows.schemas import CANDIDATE_SCHEMA, DECISION_SCHEMA, VERDICT_SCHEMA
from synth_stack.runs.folder import (
    LOCK,
    identity_line,
    list_files,
    list_parts,
    list_shards,
    open_run,
    read_parts,
    render_manifest,
    write_manifest,
)
from tests.examples import examples

LOCK_A = render_yaml({"identity": "a" * 64, "title": "one"})
LOCK_B = render_yaml({"identity": "b" * 64, "title": "one"})
SCHEMA = pa.schema([("n", pa.int64())])


def write_part(folder: Path, number: int, rows: int) -> None:
    write_table(folder / f"part-{number:05d}.parquet", pa.table({"n": range(rows)}, schema=SCHEMA))


def mount(folder: Path, options: str) -> Iterator[Path]:
    """A small file system in memory at `folder`, where this user may mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"a file system may not be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mount(tmp_path / "disk", "size=1m")


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mount(tmp_path / "disk", "size=1m,ro")


def test_bytes_are_written_into_folders_that_are_made_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    write_bytes(path, b"one")
    write_bytes(path, b"two")

    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_file_gets_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    write_bytes(tmp_path / "key", b"secret", mode=0o600)

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_killed_process_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    old, new = b"old" * 100_000, b"new" * 100_000
    write_bytes(path, old)
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from synth_stack.runs.folder import write_bytes\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for data in (b'new' * 100_000, b'old' * 100_000):\n"
        "        write_bytes(Path(sys.argv[1]), data)\n"
    )
    for pause_s in (0.0, 0.003, 0.01, 0.02):
        with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(pause_s)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert path.read_bytes() in {old, new}
        assert all(p.name == "file" or p.name.endswith(".tmp") for p in tmp_path.iterdir())

    write_bytes(tmp_path / ".file.0badcafe.tmp", b"torn")
    (tmp_path / "file").unlink()
    with open_run(tmp_path, LOCK_A):
        assert not list(tmp_path.glob(".*.tmp"))


def test_what_a_killed_process_left_deep_in_a_run_is_removed_by_the_next_start(tmp_path: Path) -> None:
    with open_run(tmp_path, LOCK_A):
        write_part(tmp_path / "candidates", 0, 3)
    torn = tmp_path / "candidates" / ".part-00001.parquet.0badcafe.tmp"
    torn.write_bytes(b"PAR1")

    with open_run(tmp_path, LOCK_A):
        assert not torn.exists()
        assert count_rows(tmp_path / "candidates" / "part-00000.parquet") == 3


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(small_disk: Path) -> None:
    write_bytes(small_disk / "file", b"old")
    with pytest.raises(StoreError) as caught:
        write_bytes(small_disk / "file", os.urandom(2_000_000))

    assert str(caught.value) == (
        f"{small_disk / 'file'}: No space left on device. "
        "Free some space and run the same command again: it goes on where it stopped."
    )
    assert caught.value.exit_code == 1
    assert (small_disk / "file").read_bytes() == b"old"
    assert [p.name for p in small_disk.iterdir()] == ["file"]


def test_a_table_that_does_not_fit_on_the_disk_leaves_nothing(small_disk: Path) -> None:
    table = pa.table({"noise": [os.urandom(50_000) for _ in range(40)]})
    with pytest.raises(StoreError, match="No space left on device"):
        write_table(small_disk / "part-00000.parquet", table)

    assert list(small_disk.iterdir()) == []


def test_a_read_only_folder_is_one_sentence(read_only_disk: Path) -> None:
    mend = "Choose a folder that can be written with --out."
    with pytest.raises(StoreError) as caught:
        write_bytes(read_only_disk / "file", b"x")
    assert str(caught.value) == f"{read_only_disk / 'file'}: Read-only file system. {mend}"

    for folder in (read_only_disk, read_only_disk / "run"):
        with pytest.raises(StoreError) as caught, open_run(folder, LOCK_A):
            raise AssertionError("a run was opened where nothing can be written")
        assert str(caught.value) == f"{folder}: Read-only file system. {mend}"


def test_a_file_where_a_folder_should_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    mend = "A file stands where a folder should be: move it, or choose another folder."
    with pytest.raises(StoreError, match=f"file/x: File exists. {mend}$"):
        write_bytes(tmp_path / "file" / "x", b"")
    with pytest.raises(StoreError, match=f"file/x/y: Not a directory. {mend}$"):
        write_bytes(tmp_path / "file" / "x" / "y", b"")
    with pytest.raises(StoreError, match=f"file: File exists. {mend}$"), open_run(tmp_path / "file", LOCK_A):
        raise AssertionError("a run was opened in a file")


@settings(max_examples=examples(30))
@given(
    values=st.lists(st.none() | st.text(st.characters(codec="utf-8")), min_size=1, max_size=50),
    cut=st.integers(1, 7),
)
def test_equal_tables_give_equal_bytes_however_they_are_chunked(
    values: list[str | None], cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    whole = pa.table({"text": pa.array(values, pa.string())})
    pieces = pa.concat_tables(whole.slice(start, cut) for start in range(0, len(values), cut))
    write_table(folder / "whole", whole)
    write_table(folder / "pieces", pieces)

    assert (folder / "whole").read_bytes() == (folder / "pieces").read_bytes()
    assert read_table(folder / "whole", whole.schema).equals(whole)


def test_a_table_of_many_pages_and_chunks_gives_the_same_bytes_as_one_chunk(tmp_path: Path) -> None:
    whole = pa.table({"text": [f"row {i} " * (i % 61) for i in range(20_000)]})
    pieces = pa.concat_tables(whole.slice(start, 777) for start in range(0, 20_000, 777))
    write_table(tmp_path / "whole", whole)
    write_table(tmp_path / "pieces", pieces)

    assert digest_file(tmp_path / "whole") == digest_file(tmp_path / "pieces")


@pytest.mark.parametrize("schema", [CANDIDATE_SCHEMA, VERDICT_SCHEMA, DECISION_SCHEMA])
def test_an_empty_table_keeps_its_columns(schema: pa.Schema, tmp_path: Path) -> None:
    write_table(tmp_path / "empty.parquet", schema.empty_table())

    assert read_table(tmp_path / "empty.parquet", schema).schema.equals(schema)
    assert count_rows(tmp_path / "empty.parquet") == 0


def test_a_missing_table_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "part-00000.parquet"
    with pytest.raises(StoreError) as caught:
        read_table(path)
    assert str(path) in str(caught.value)
    with pytest.raises(StoreError, match=r"part-00000\.parquet"):
        count_rows(path)
    with pytest.raises(StoreError) as caught:
        digest_file(path)
    assert str(caught.value) == f"{path}: No such file or directory. Check the path."


def test_a_torn_table_is_one_sentence_wherever_it_is_torn(tmp_path: Path) -> None:
    good, torn = tmp_path / "good.parquet", tmp_path / "torn.parquet"
    write_table(good, pa.table({"text": ["a", "b", "c"] * 20}))
    data = good.read_bytes()
    for size in range(0, len(data), 7):
        torn.write_bytes(data[:size])
        for read in (read_table, count_rows):
            with pytest.raises(StoreError) as caught:
                read(torn)
            assert str(caught.value).isprintable()
            assert str(torn) in str(caught.value)


def test_a_table_with_a_flipped_byte_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "flipped.parquet"
    write_table(path, pa.table({"text": ["a", "b", "c"] * 20}))
    data = path.read_bytes()
    refused = 0
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        for read in (read_table, count_rows):
            try:
                read(path)
            except StoreError:
                refused += 1
    assert refused > len(data)


def test_a_table_of_other_columns_is_refused_by_name(tmp_path: Path) -> None:
    write_part(tmp_path, 0, 2)
    with pytest.raises(StoreError) as caught:
        read_table(tmp_path / "part-00000.parquet", DECISION_SCHEMA)

    assert str(caught.value) == (
        f"{tmp_path / 'part-00000.parquet'} does not have the columns that it should; "
        "seen: n; allowed: row_id, source_id, decision, gate, reason, reason_class, replaced_by"
    )


def test_parts_are_read_in_the_order_of_their_names_and_leftovers_are_no_parts(tmp_path: Path) -> None:
    for number, rows in ((2, 1), (0, 3), (1, 2)):
        write_part(tmp_path, number, rows)
    (tmp_path / ".part-00003.parquet.0badcafe.tmp").write_bytes(b"torn")
    (tmp_path / "notes.txt").write_bytes(b"")

    assert [path.name[5:10] for path in list_parts(tmp_path)] == ["00000", "00001", "00002"]
    assert [table.num_rows for table in read_parts(tmp_path, SCHEMA)] == [3, 2, 1]
    assert list_parts(tmp_path / "nowhere") == []


def test_parts_are_grouped_up_to_the_rows_of_a_shard_and_never_beyond(tmp_path: Path) -> None:
    sizes = [SHARD_ROWS - 1, 1, 1, SHARD_ROWS, SHARD_ROWS + 1, 0, 5]
    for number, rows in enumerate(sizes):
        write_part(tmp_path, number, rows)
    shards = list_shards(tmp_path)

    assert [len(shard.parts) for shard in shards] == [2, 1, 1, 1, 2]
    assert [shard.rows for shard in shards] == [SHARD_ROWS, 1, SHARD_ROWS, SHARD_ROWS + 1, 5]
    assert [shard.name for shard in shards] == [f"part-{i:05d}.parquet" for i in range(5)]
    assert [shard.read(SCHEMA).num_rows for shard in shards] == [shard.rows for shard in shards]
    assert list_shards(tmp_path) == shards
    assert list_shards(tmp_path / "nowhere") == []


def test_parts_of_long_rows_are_read_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write_part(tmp_path, number, 1_000)
    monkeypatch.setattr("synth_stack.runs.folder.SHARD_BYTES", 2 * measure_table(list_parts(tmp_path)[0])[1])
    assert [len(shard.parts) for shard in list_shards(tmp_path)] == [2, 2, 1]


@settings(max_examples=examples(15))
@given(sizes=st.lists(st.integers(0, 2 * SHARD_ROWS), max_size=8))
def test_shards_hold_every_part_once_and_in_order(
    sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    for number, rows in enumerate(sizes):
        write_part(folder, number, rows)
    shards = list_shards(folder)

    assert [part for shard in shards for part in shard.parts] == list_parts(folder)
    assert all(shard.rows <= SHARD_ROWS or len(shard.parts) == 1 for shard in shards)


def test_a_run_is_opened_again_with_the_same_identity_and_its_lock_is_kept_up_to_date(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", LOCK_A) as folder:
        assert (folder / LOCK).read_bytes() == LOCK_A
    retitled = render_yaml({"identity": "a" * 64, "title": "two"})
    with open_run(tmp_path / "run", retitled) as folder:
        assert (folder / LOCK).read_bytes() == retitled


def test_a_folder_of_another_run_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    with open_run(tmp_path, LOCK_A) as folder:
        (folder / "candidates").mkdir()
        write_part(folder / "candidates", 0, 1)
    with pytest.raises(RunMismatch) as caught, open_run(tmp_path, LOCK_B):
        raise AssertionError("another run was opened")

    assert str(caught.value) == (
        f"{tmp_path} holds a different run: its {LOCK} was made from another input, teacher, method or "
        "parameter. Choose another folder with --out, or remove this one."
    )
    assert caught.value.exit_code == 2
    assert (tmp_path / LOCK).read_bytes() == LOCK_A


def test_a_folder_of_somebody_elses_files_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_bytes(b"years of work")
    (tmp_path / ".hidden.tmp").write_bytes(b"theirs")
    with pytest.raises(RunMismatch) as caught, open_run(tmp_path, LOCK_A):
        raise AssertionError("somebody else's folder was opened")

    assert str(caught.value) == (
        f"{tmp_path} is not empty and holds no run; seen: thesis.doc. Choose another folder with --out."
    )
    assert {p.name for p in tmp_path.iterdir()} == {"thesis.doc", ".hidden.tmp"}


@pytest.mark.parametrize("lock", [b"", b"identity: \xff\xfe", b"somebody: else\n"])
def test_a_lock_that_we_did_not_write_is_another_run(lock: bytes, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_bytes(lock)
    with pytest.raises(RunMismatch, match="holds a different run"), open_run(tmp_path, LOCK_A):
        raise AssertionError("another run was opened")


def test_the_identity_is_one_line_of_the_lock() -> None:
    assert identity_line(LOCK_A) == f"identity: {'a' * 64}"
    assert identity_line(b"title: identity: x\n") == "identity: none"


def test_a_second_process_is_refused_while_the_first_one_works_and_let_in_when_it_is_killed(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from synth_stack.runs.folder import open_run\n"
        "with open_run(Path(sys.argv[1]), sys.stdin.buffer.read()):\n"
        "    print('open', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(LOCK_A)
        process.stdin.close()
        assert process.stdout.readline() == b"open\n"
        try:
            with pytest.raises(StoreError) as caught, open_run(tmp_path, LOCK_A):
                raise AssertionError("two processes are at work in one folder")
            assert str(caught.value) == (
                f"{tmp_path} is in use by another process. Wait for it to end, or stop it."
            )
        finally:
            process.kill()

    with open_run(tmp_path, LOCK_A) as folder:
        assert folder == tmp_path


def test_a_run_is_free_again_after_an_error_inside_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), open_run(tmp_path, LOCK_A):
        raise KeyError("inside")
    with open_run(tmp_path, LOCK_A) as folder:
        assert folder.is_dir()


def test_a_manifest_names_every_visible_file_with_its_digest_but_itself(tmp_path: Path) -> None:
    write_bytes(tmp_path / "b" / "two.txt", b"2")
    write_bytes(tmp_path / "one.txt", b"1")
    write_bytes(tmp_path / ".lock", b"")
    write_bytes(tmp_path / "b" / ".done", b"")
    write_manifest(tmp_path, {"accepted": 3})
    first = (tmp_path / "MANIFEST.json").read_bytes()
    write_manifest(tmp_path, {"accepted": 3})

    assert first == (tmp_path / "MANIFEST.json").read_bytes() == render_manifest(tmp_path, {"accepted": 3})
    assert first == (
        b'{"facts":{"accepted":3},"files":{'
        b'"b/two.txt":{"bytes":1,"sha256":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"},'
        b'"one.txt":{"bytes":1,"sha256":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"}},'
        b'"scheme":"synth_stack/manifest/v1"}\n'
    )


@pytest.mark.parametrize("target", ["/etc/passwd", "nowhere", "."])
def test_a_link_in_a_run_is_refused(target: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(StoreError, match=f"{tmp_path}/link is a link; allowed: regular files only"):
        list_files(tmp_path)


def test_yaml_is_the_same_bytes_for_the_same_value_and_reads_back() -> None:
    value = {"b": [1, 2.5, None], "a": "é: -", "long": "word " * 100}

    assert render_yaml(value) == render_yaml(dict(value))
    assert render_yaml({"b": 1, "a": 2}).startswith(b"b: 1")


@pytest.mark.parametrize(
    "name", ["MANIFEST.json", "candidates/part-00001.parquet", "state/dedup/rows.arrow", ".lock"]
)
@pytest.mark.parametrize("what", ["a pipe", "a device", "a hole", "a link to itself"])
def test_a_run_that_holds_what_is_no_file_is_refused_before_it_is_read(
    tmp_path: Path, name: str, what: str
) -> None:
    with open_run(tmp_path, LOCK_A):
        write_part(tmp_path / "candidates", 0, 1)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a hole":
        path.touch()
        os.truncate(path, 3 * 10**12)
    else:
        path.symlink_to("/dev/zero" if what == "a device" else path)
    with pytest.raises(StoreError, match=f"^{re.escape(str(path))}"), open_run(tmp_path, LOCK_A):
        raise AssertionError("it was opened")


def test_what_a_server_keeps_in_a_hidden_folder_of_a_run_is_its_own(tmp_path: Path) -> None:
    with open_run(tmp_path, LOCK_A):
        (tmp_path / ".server").mkdir()
    os.mkfifo(tmp_path / ".server" / "socket")
    with open_run(tmp_path, LOCK_A):
        pass


@pytest.mark.parametrize("read", [read_table, read_arrow, count_rows])
def test_a_table_that_is_a_pipe_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "x.parquet")
    with pytest.raises(StoreError, match="a pipe or a device"):
        read(tmp_path / "x.parquet")


@pytest.mark.parametrize("cuts", [[], [0], [1], [3, 4], [10, 11, 25], [2, 2, 2, 2]])
def test_tables_one_after_another_are_the_bytes_of_the_whole(
    cuts: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth_stack.files.ROW_GROUP_ROWS", 5)
    schema = pa.schema([("name", pa.string()), ("number", pa.int64())])
    tables = [
        pa.table({"name": [f"n{k % 3}" for k in range(n)], "number": list(range(n))}, schema=schema)
        for n in cuts
    ]
    write_tables(tmp_path / "parts.parquet", iter(tables), schema)
    write_table(tmp_path / "whole.parquet", pa.concat_tables([schema.empty_table(), *tables]))
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_tables_that_end_in_an_error_leave_what_was_there(tmp_path: Path) -> None:
    schema = pa.schema([("number", pa.int64())])
    table = pa.table({"number": [1]}, schema=schema)
    write_table(tmp_path / "a.parquet", table)

    def tables() -> Iterator[pa.Table]:
        yield table
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        write_tables(tmp_path / "a.parquet", tables(), schema)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]
    assert read_table(tmp_path / "a.parquet", schema).num_rows == 1
