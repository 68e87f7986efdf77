from pathlib import Path

import pytest

from synth_stack.errors import ConfigError, InputError
from synth_stack.inputs.real_rows import open_real_rows


def test_rows_are_read_as_curate_reads_them_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "real.jsonl"
    path.write_text('{"text": "where is my card", "category": "cards"}\nno json\n', encoding="utf-8")
    real = open_real_rows(str(path), {"slice": "category"})
    [table] = real.read()
    assert table.select(["text", "slice"]).to_pylist() == [{"text": "where is my card", "slice": "cards"}]
    assert len(real.sha256) == 64


def test_a_path_that_is_not_there_and_a_field_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        open_real_rows(str(tmp_path / "none.jsonl"), {})
    (tmp_path / "real.jsonl").write_text('{"text": "hi"}\n', encoding="utf-8")
    with pytest.raises(ConfigError):
        open_real_rows(str(tmp_path / "real.jsonl"), {"colour": "c"})
