"""A gate file against the gates that judged: what may change is bound, what may not is refused by name."""

from pathlib import Path
from typing import Any

import pytest

from synth_stack.decisions.replay.gate_changes import GateChange, plan_changes
from synth_stack.errors import ConfigError
from synth_stack.gates.gate import Judge
from synth_stack.inputs import extensions
from synth_stack.registry import bind
from synth_stack.runs.locks import DialLock, GateLock
from tests.decisions.replay.scored_run import use, write_gates

FIXED = {"use": "replay_fixed"}
BOTH = {"use": "replay_both"}
GSM = {"name": "gsm", "path": "data/gsm.jsonl"}
EXAM = {"name": "exam", "path": "exam.jsonl"}
AGAIN = "Judge the rows again: `synth-stack curate run --gates"


def lock(name: str, version: str | None = None, **params: Any) -> GateLock:
    """The lock of a gate that judged with these parameters, its defaults filled in."""
    bound = bind("gate", name, params, where="a test")
    judge: Judge = bound.make()
    return GateLock(
        use=name,
        version=version or bound.version,
        params=dict(bound.recorded),
        dials=[DialLock.model_validate(dial.to_json()) for dial in judge.dials],
        min_recall=0.8,
        canaries=50,
    )


def plan(
    folder: Path, *gates: dict[str, Any], judged: list[GateLock] | None = None
) -> tuple[GateChange, ...]:
    locks = judged or [lock("replay_first"), lock("replay_second"), lock("replay_fixed")]
    return plan_changes(Path("run"), write_gates(folder, *gates), locks)


def read_dials(change: GateChange) -> list[tuple[float, str, float, str]]:
    """(threshold, action) of each dial, before and after."""
    both = zip(change.before, change.after, strict=True)
    return [(old.threshold, old.action, new.threshold, new.action) for old, new in both]


def test_each_gate_stands_beside_itself_with_what_changes(tmp_path: Path) -> None:
    first, second = plan(tmp_path, *use(first=0.25))

    assert (first.name, first.changes) == ("replay_first", (("threshold", 0.5, 0.25),))
    assert first.params == {"threshold": 0.25, "field": "text", "plants": False}
    assert read_dials(first) == [(0.5, "reject", 0.25, "reject")]
    assert (second.name, second.changes) == ("replay_second", ())
    assert read_dials(second) == [(0.5, "reject", 0.5, "reject")]
    assert (first.late, second.late is None) == (None, False)


@pytest.mark.parametrize(
    ("gates", "says"),
    [
        ([{"use": "replay_firts"}], "there is no gate of that name; seen: replay_firts"),
        ([BOTH], r"gates\[0\]: replay_both has not judged run; allowed: replay_first, replay_second"),
        (use()[::-1], "not stand in the order in which they judged run; seen: replay_second, replay_first"),
        (use(first=7.0), r"gates\[0\]: threshold is not usable; seen: 7.0"),
        (use(first=0.5, treshold=1), "treshold is not a known key"),
        ([{**FIXED, "word": "x"}], "replay_fixed.word cannot change without .*; seen: 'x'; allowed: 'bad'. Judge"),
        ([{**FIXED, "depth": -1}], "depth is not usable"),
        ([*use(), *use()], "every gate once"),
        ([], "gates"),
    ],
)  # fmt: skip
def test_a_file_that_asks_for_more_than_stored_scores_is_refused(
    tmp_path: Path, gates: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        plan(tmp_path, *gates)

    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        plan_changes(Path("run"), tmp_path / "no.yaml", [lock("replay_first")])
    (tmp_path / "torn.yaml").write_text("version: 1\ngates: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        plan_changes(Path("run"), tmp_path / "torn.yaml", [lock("replay_first")])


def test_another_version_of_a_gate_is_refused_with_the_command_that_judges_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"version 1; allowed: version 0\. {AGAIN}") as caught:
        plan(tmp_path, *use(second=None), judged=[lock("replay_first", version="0")])

    assert "gates[0]: replay_first is not the version that judged run" in str(caught.value)


def test_a_gate_may_be_left_out(tmp_path: Path) -> None:
    assert [change.name for change in plan(tmp_path, FIXED)] == ["replay_fixed"]
    assert [change.name for change in plan(tmp_path, use()[0], FIXED)] == ["replay_first", "replay_fixed"]


def test_a_gate_that_replaced_rows_may_not_be_left_out(tmp_path: Path) -> None:
    amended = tmp_path / "run" / "candidates" / "part-amended-00000.parquet"
    amended.parent.mkdir(parents=True)
    amended.touch()
    locks = [lock("replay_first"), lock("replay_second")]
    path = write_gates(tmp_path, *use(first=None))

    with pytest.raises(ConfigError, match=r"replay_first replaced rows of .*, so it cannot be left out"):
        plan_changes(tmp_path / "run", path, locks)
    assert plan_changes(tmp_path / "run", write_gates(tmp_path, *use(second=None)), locks)


def test_a_stated_bar_counts_and_else_that_of_the_run(tmp_path: Path) -> None:
    first, second = plan(tmp_path, *use(min_recall=0.25, canaries=0))

    assert (first.asked.min_recall, first.counts_canaries) == (0.25, False)
    assert (second.asked.min_recall, second.counts_canaries) == (0.8, True)


def test_a_dial_in_a_mapping_is_turned_by_its_path_and_others_stay(tmp_path: Path) -> None:
    [change] = plan(
        tmp_path, {**BOTH, "tone": {"above": 0.5, "action": "reject"}}, judged=[lock("replay_both")]
    )

    assert change.changes == (("tone.above", 0.7, 0.5), ("tone.action", "hold", "reject"))
    assert read_dials(change) == [(0.9, "reject", 0.9, "reject"), (0.7, "hold", 0.5, "reject")]


@pytest.mark.parametrize(
    ("judged", "new", "says"),
    [
        ({"threshold": 0.5}, None, "threshold cannot change without judging .*; seen: None; allowed: 0.5"),
        ({}, 0.05, "threshold cannot change to below 0.1, where no scores were stored; seen: 0.05"),
        ({"exact": True}, 0.5, "threshold cannot change while exact is set; seen: 0.5; allowed: None"),
    ],
)
def test_a_dial_is_turned_to_a_number_that_stored_scores_bear_out(
    tmp_path: Path, judged: dict[str, Any], new: float | None, says: str
) -> None:
    with pytest.raises(ConfigError, match=f"replay_both.{says}.* {AGAIN}"):
        plan(tmp_path, {**BOTH, **judged, "threshold": new}, judged=[lock("replay_both", **judged)])


def test_a_dial_whose_parameter_is_null_stands_where_the_gate_said(tmp_path: Path) -> None:
    [same] = plan(tmp_path, BOTH, judged=[lock("replay_both")])
    [turned] = plan(tmp_path, {**BOTH, "threshold": 0.4}, judged=[lock("replay_both")])

    assert (same.changes, read_dials(same)[0][2]) == ((), 0.9)
    assert turned.changes == (("threshold", None, 0.4),)
    assert read_dials(turned)[0] == (0.9, "reject", 0.4, "reject")


@pytest.mark.parametrize(("old", "new"), [("hold", "redact"), ("redact", "reject"), ("redact", "ignore")])
def test_what_replaces_a_row_needs_the_row(tmp_path: Path, old: str, new: str) -> None:
    judged = [lock("replay_both", tone={"action": old})]
    with pytest.raises(
        ConfigError, match=r"replay_both.tone.action cannot change without judging the rows again"
    ):
        plan(tmp_path, {**BOTH, "tone": {"action": new}}, judged=judged)
    [same] = plan(tmp_path, {**BOTH, "tone": {"action": old}}, judged=judged)
    assert same.changes == ()


def test_a_late_parameter_may_change_and_be_taken_away(tmp_path: Path) -> None:
    [_, looser] = plan(tmp_path, use()[0], {**use()[1], "max_share": 0.9})
    [_, gone] = plan(tmp_path, use()[0], {**use()[1], "max_share": None})

    assert (looser.changes, looser.late is None) == ((("max_share", 0.5, 0.9),), False)
    assert (gone.changes, gone.late) == ((("max_share", 0.5, None),), None)


def test_paths_are_compared_by_their_file_names(tmp_path: Path) -> None:
    judged = [lock("replay_fixed", against=[{**GSM, "path": "elsewhere/gsm.jsonl"}])]
    [change] = plan(tmp_path, {**FIXED, "against": [GSM]}, judged=judged)

    assert (change.changes, change.kept_sets) == ((), ())


@pytest.mark.parametrize(("named", "kept"), [([], ("gsm", "exam")), ([GSM], ("exam",)), ([EXAM, GSM], ())])
def test_eval_sets_of_the_run_that_the_file_does_not_name_are_kept(
    tmp_path: Path, named: list[dict[str, str]], kept: tuple[str, ...]
) -> None:
    judged = [lock("replay_fixed", against=[GSM, EXAM])]
    [change] = plan(tmp_path, {**FIXED, "against": named}, judged=judged)

    assert (change.changes, change.kept_sets) == ((), kept)


@pytest.mark.parametrize("more", [{"name": "new", "path": "new.jsonl"}, {**EXAM, "path": "other.jsonl"}])
def test_a_new_or_changed_eval_set_needs_new_verdicts(tmp_path: Path, more: dict[str, str]) -> None:
    judged = [lock("replay_fixed", against=[EXAM])]
    with pytest.raises(ConfigError, match=r"replay_fixed\.against cannot change without judging"):
        plan(tmp_path, {**FIXED, "against": [more]}, judged=judged)


@pytest.mark.parametrize(
    ("judged", "threshold", "allowed"),
    [({}, 0.5, True), ({}, 0.1, True), ({}, 0.05, False), ({}, 1.5, False), ({"exact": True}, 0.5, False)],
)
def test_a_dial_goes_where_the_gate_and_the_stored_scores_allow(
    tmp_path: Path, judged: dict[str, Any], threshold: float, allowed: bool
) -> None:
    [change] = plan(tmp_path, {**BOTH, **judged}, judged=[lock("replay_both", **judged)])
    dial, tone = (setting.dial for setting in change.after)

    assert change.allows(dial, threshold) is allowed
    assert change.allows(tone, 0.3)
    assert not change.allows(tone, 0.0)
    assert not change.allows(dial.model_copy(update={"parameter": None}), 0.5)


def test_extensions_of_the_file_are_loaded_so_that_their_gates_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extensions, "_loaded", {})
    (tmp_path / "mine.py").write_text(
        "from synth_stack.gates.gate import Judge\n"
        "from synth_stack.registry import gate\n\n"
        "@gate('replay_of_mine', version='1')\n"
        "def mine(*, word: str = 'a') -> Judge:\n    raise AssertionError('it is not made')\n"
    )
    path = write_gates(tmp_path, {"use": "replay_of_mine"})
    path.write_text(path.read_text() + "load: [mine.py]\n")
    judged = GateLock(use="replay_of_mine", version="1", params={"word": "a"})

    assert [change.changes for change in plan_changes(Path("run"), path, [judged])] == [()]
