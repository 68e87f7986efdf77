import pytest

from synth_stack.errors import VerificationError
from synth_stack.lineage import record_form
from synth_stack.lineage.record_form import encode_record, parse_record
from tests.lineage.shards import make_candidates, make_records


def read(number: int = 0) -> bytes:
    data: bytes = make_records(make_candidates(3))["record"][number].as_py()
    return data


def test_a_record_is_the_same_whether_its_form_was_met_or_not() -> None:
    record_form._MET.clear()
    first = parse_record(read())
    assert len(record_form._MET) == 1
    again = parse_record(read())
    assert again == first
    assert encode_record(again) == read()


def test_forms_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    record_form._MET.clear()
    monkeypatch.setattr(record_form, "MAX_FORMS", 1)
    for kind in (b"instruction", b"code", b"tool"):
        parse_record(read().replace(b'"kind":"instruction"', b'"kind":"' + kind + b'"'))
    assert len(record_form._MET) == 1


def test_a_record_of_a_form_that_was_met_is_looked_at_all_the_same() -> None:
    data = read()
    record = parse_record(data)
    other = data.replace(b'"row_id":"' + record["row_id"].encode(), b'"row_id":"' + b"0" * 32)
    with pytest.raises(VerificationError, match="row_id"):
        parse_record(other)
