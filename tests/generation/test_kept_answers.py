"""The answers of a batch that is under way, found again after a kill."""

from pathlib import Path
from typing import Any

from synth_stack.generation.kept_answers import KeptAnswers, StepCall
from synth_stack.generation.turns import Turn
from synth_stack.teachers.prompt import Prompt


def say(*texts: str | None) -> dict[str, Any]:
    return {"generations": list(texts), "statistics": {"input_tokens": [1], "output_tokens": [2]}}


def ask(path: Path, *prompts: Any, step: str = "write", calls: int = 1) -> Any:
    call = StepCall(step, Turn(), KeptAnswers(path))
    return [call.ask(prompts, 1) for _ in range(calls)][-1]


def test_an_answer_is_found_again_by_its_step_call_place_and_prompt(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "batch.answers"
    chats = [Prompt([{"role": "user", "content": text}], seed=7) for text in ("one", "two")]
    kept = KeptAnswers(path)
    StepCall("write", Turn(), kept).ask(chats, 1).keep(1, say("second"))
    kept.close()
    assert [ask(path, *chats).find(place) for place in (0, 1)] == [None, say("second")]
    assert ask(path, chats[1], chats[0]).find(1) is None
    assert ask(path, *chats, step="judge").find(1) is None
    assert ask(path, *chats, calls=2).find(1) is None
    other_seed = Prompt(list(chats[1]), seed=8)
    assert ask(path, chats[0], other_seed).find(1) is None


def test_a_line_that_a_kill_has_cut_is_no_answer_and_spoils_none_after_it(tmp_path: Path) -> None:
    path = tmp_path / "batch.answers"
    kept = KeptAnswers(path)
    kept.keep("a", say("first"))
    kept.keep("b", say("second"))
    kept.close()
    path.write_bytes(path.read_bytes()[:-9])
    again = KeptAnswers(path)
    assert (again.find("a"), again.find("b")) == (say("first"), None)
    again.keep("b", say("second"))
    again.close()
    last = KeptAnswers(path)
    assert (last.find("a"), last.find("b")) == (say("first"), say("second"))
    last.drop()
    assert not path.exists()


def test_an_answer_without_a_text_or_that_no_row_can_hold_is_asked_for_again(tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path / "batch.answers")
    kept.keep("a", say("whole", None))
    kept.keep("b", say("half \ud83d"))
    kept.close()
    assert not kept.path.exists() or KeptAnswers(kept.path).find("b") is None
