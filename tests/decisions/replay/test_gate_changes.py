"""A gate file against the gates that judged: what may change is bound, what may not is refused by name."""

from pathlib import Path
from typing import Any

import pytest

from synth_stack.decisions.replay.gate_changes import Step, plan_steps
from synth_stack.errors import ConfigError
from synth_stack.registry import bind, registered
from synth_stack.runs.locks import GateLock
from tests.decisions.replay.scored_run import use, write_gates

FIXED = {"use": "replay-fixed"}
GSM = {"name": "gsm", "path": "data/gsm.jsonl"}
EXAM = {"name": "exam", "path": "exam.jsonl"}


def lock(name: str, version: str | None = None, **params: Any) -> GateLock:
    """The lock of a gate that judged with these parameters, its defaults filled in."""
    bound = bind("gate", name, params, where="a test")
    return GateLock(
        use=name, version=version or bound.version, params=dict(bound.params), min_recall=0.8, canaries=50
    )


def plan(folder: Path, *gates: dict[str, Any], judged: list[GateLock] | None = None) -> tuple[Step, ...]:
    locks = judged or [lock("replay-first"), lock("replay-second"), lock("replay-fixed")]
    return plan_steps(Path("run"), write_gates(folder, *gates), locks)


def test_each_gate_stands_beside_itself_with_what_changes(tmp_path: Path) -> None:
    first, second = plan(tmp_path, *use(first=0.25))

    assert (first.name, first.changes) == ("replay-first", (("threshold", 0.5, 0.25),))
    assert first.params == {"threshold": 0.25, "field": "text", "plants": False}
    assert (second.name, second.changes) == ("replay-second", ())
    assert first.redecide is registered("gate")["replay-first"].redecide


@pytest.mark.parametrize(
    ("gates", "says"),
    [
        ([{"use": "replay-firts"}], "there is no gate of that name; seen: replay-firts"),
        ([{"use": "dedup"}], r"gates\[0\]: dedup has not judged run; allowed: replay-first, replay-second"),
        (use()[::-1], "not stand in the order in which they judged run; seen: replay-second, replay-first"),
        (use(first=7.0), r"gates\[0\]: threshold is not usable; seen: 7.0"),
        (use(first=0.5, treshold=1), "treshold is not a known key"),
        ([{**FIXED, "word": "x"}], "replay-fixed.word cannot change without .*; seen: 'x'; allowed: 'bad'. Judge"),
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
        plan_steps(Path("run"), tmp_path / "no.yaml", [lock("replay-first")])
    (tmp_path / "torn.yaml").write_text("version: 1\ngates: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        plan_steps(Path("run"), tmp_path / "torn.yaml", [lock("replay-first")])


def test_another_version_of_a_gate_is_refused_with_the_command_that_judges_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"version 1; allowed: version 0\. .*curate run --gates") as caught:
        plan(tmp_path, *use(second=None), judged=[lock("replay-first", version="0")])

    assert "gates[0]: replay-first is not the version that judged run" in str(caught.value)


def test_a_gate_may_be_left_out(tmp_path: Path) -> None:
    assert [step.name for step in plan(tmp_path, FIXED)] == ["replay-fixed"]
    assert [step.name for step in plan(tmp_path, use()[0], FIXED)] == ["replay-first", "replay-fixed"]


def test_a_gate_that_replaced_rows_may_not_be_left_out(tmp_path: Path) -> None:
    amended = tmp_path / "run" / "candidates" / "part-amended-00000.parquet"
    amended.parent.mkdir(parents=True)
    amended.touch()
    locks = [lock("replay-first"), lock("replay-second")]
    path = write_gates(tmp_path, *use(first=None))

    with pytest.raises(ConfigError, match=r"replay-first replaced rows of .*, so it cannot be left out"):
        plan_steps(tmp_path / "run", path, locks)
    assert plan_steps(tmp_path / "run", write_gates(tmp_path, *use(second=None)), locks)


def test_a_stated_bar_counts_and_else_that_of_the_run(tmp_path: Path) -> None:
    first, second = plan(tmp_path, *use(min_recall=0.25, canaries=0))

    assert (first.min_recall, first.counts_canaries) == (0.25, False)
    assert (second.min_recall, second.counts_canaries) == (0.8, True)


def test_nested_parameters_are_named_by_their_path(tmp_path: Path) -> None:
    judged = [lock("structure", languages=[])]
    with pytest.raises(ConfigError, match="judging the rows again"):
        plan(tmp_path, {"use": "replay-fixed", "word": "x"}, judged=[lock("replay-fixed")])
    [step] = plan(
        tmp_path, {"use": "structure", "prompt": {"max_chars": 9}, "languages": ["de"]}, judged=judged
    )

    assert step.changes == (
        ("languages", [], ["de"]),
        ("prompt.max_chars", 8000, 9),
        ("prompt.max_words", 2000, 4000),
        ("prompt.min_chars", 3, 1),
    )  # fmt: skip


def test_paths_are_compared_by_their_file_names(tmp_path: Path) -> None:
    judged = [lock("contamination", against=[{**GSM, "path": "gsm.jsonl"}])]
    [step] = plan(tmp_path, {"use": "contamination", "against": [GSM]}, judged=judged)

    assert (step.changes, step.kept_sets) == ((), ())


@pytest.mark.parametrize(("named", "kept"), [([], ("gsm", "exam")), ([GSM], ("exam",)), ([EXAM, GSM], ())])
def test_eval_sets_of_the_run_that_the_file_does_not_name_are_kept(
    tmp_path: Path, named: list[dict[str, str]], kept: tuple[str, ...]
) -> None:
    judged = [lock("contamination", against=[{**GSM, "path": "gsm.jsonl"}, EXAM])]
    [step] = plan(tmp_path, {"use": "contamination", "against": named}, judged=judged)

    assert (step.changes, step.kept_sets) == ((), kept)
    assert [each["name"] for each in step.params["against"]] == ["gsm", "exam"]


@pytest.mark.parametrize("more", [{"name": "new", "path": "new.jsonl"}, {**EXAM, "path": "other.jsonl"}])
def test_a_new_or_changed_eval_set_is_a_change(tmp_path: Path, more: dict[str, str]) -> None:
    judged = [lock("contamination", against=[EXAM])]
    gates = {"use": "contamination", "against": [more]}
    redecide = registered("gate")["contamination"].redecide
    if redecide is None:
        with pytest.raises(ConfigError, match=r"contamination\.against cannot"):
            plan(tmp_path, gates, judged=judged)
    else:
        [step] = plan(tmp_path, gates, judged=judged)
        assert [name for name, _, _ in step.changes] == ["against"]


@pytest.mark.parametrize(
    ("rule", "strict"),
    [("score > threshold", True), ("score >= threshold, or a fault", False), (None, None), ("ask", None)],
)
def test_the_rule_of_a_gate_says_on_which_side_its_threshold_is(
    rule: str | None, strict: bool | None
) -> None:
    judged = lock("replay-first").model_copy(update={"facts": {"reject_when": rule} if rule else {}})
    step = Step(judged, {}, (), None, 0.9, counts_canaries=True, kept_sets=(), mend="")

    assert step.strict is strict


def test_a_parameter_is_found_by_its_number_and_moved_in_its_own_type() -> None:
    params = {
        "threshold": None,
        "count": 2,
        "flag": True,
        "offline": {"threshold": 0.8},
        "tone": {"bar": 0.8},
    }
    step = Step(lock("replay-first"), params, (), None, 0.9, counts_canaries=True, kept_sets=(), mend="")

    assert step.find_parameters(0.8) == ["offline.threshold", "tone.bar"]
    assert (step.find_parameters(2.0), step.find_parameters(1.0)) == (["count"], [])
    assert step.move("offline.threshold", 0.5).params == {**params, "offline": {"threshold": 0.5}}
    assert repr(step.move("count", 3.0).params["count"]) == "3"
    assert step.move("count", 3.5).params["count"] == 3.5
    assert step.params["offline"] == {"threshold": 0.8}
