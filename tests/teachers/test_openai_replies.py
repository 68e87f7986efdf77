"""What a server sent, and the answer that it is."""

import json
from typing import Any

import httpx
import pytest

from synth_stack.teachers.openai_replies import SPENT, Trouble, read_answer, read_status
from synth_stack.teachers.prompt import Answer


def read(message: dict[str, Any], finish: Any = "stop", **more: Any) -> Answer:
    body = {"choices": [{"message": {"role": "assistant", **message}, "finish_reason": finish}], **more}
    answer = read_answer(httpx.Response(200, content=json.dumps(body).encode()), raw=False)
    assert isinstance(answer, Answer)
    return answer


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own_is_kept_apart(field: str) -> None:
    answer = read({"content": "Hello.", field: "Hm."})
    assert (answer.text, answer.reasoning, answer.failure) == ("Hello.", "Hm.", None)


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "reasoning_content": "Hm, I"},
        {"content": "", "reasoning": "Hm, I"},
        {"content": "<think>Hm, I"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm, I"}]}]},
    ],
)
def test_an_answer_spent_on_reasoning_says_so(message: dict[str, Any]) -> None:
    answer = read(message, "length")
    assert (answer.text, answer.failure, answer.reasoning) == (None, SPENT, "Hm, I")
    assert answer.spent
    assert not answer.cut


def test_parts_of_a_content_are_one_text() -> None:
    assert (
        read({"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo."}]}).text == "Hello."
    )


@pytest.mark.parametrize(
    ("said", "finish"),
    [("stop", "stop"), ("eos", "stop"), ("max_tokens", "length"), ("function_call", "tool_calls"), (7, None)],
)
def test_how_it_ended_is_said_in_one_way(said: Any, finish: str | None) -> None:
    answer = read({"content": "Hello."}, said)
    assert answer.finish == finish
    assert answer.cut == (finish == "length")


def test_what_a_content_filter_held_back_and_what_the_model_refused_are_failures_with_their_reason() -> None:
    filtered = read({"content": "Hel"}, "content_filter")
    assert (filtered.text, filtered.finish) == (None, "content_filter")
    assert str(filtered.failure).startswith("content filter")
    refused = read({"content": None, "refusal": "I cannot help with that."})
    assert refused.failure == "refused by the teacher: I cannot help with that."


def test_calls_of_tools_are_no_empty_answer() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id": 3}'}}
    answer = read({"content": None, "tool_calls": [call]}, "tool_calls")
    assert answer.failure is None
    assert answer.tool_calls == ({"id": "c1", "name": "find", "arguments": '{"id": 3}'},)


def test_cached_tokens_are_counted() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}}
    answer = read({"content": "Hello."}, usage=usage)
    assert (answer.input_tokens, answer.output_tokens, answer.cached_tokens) == (9, 2, 5)


def test_a_stream_and_an_error_in_a_good_answer_say_what_they_are() -> None:
    stream = read_answer(httpx.Response(200, content=b'data: {"choices": []}\n\n'), raw=False)
    assert isinstance(stream, Trouble)
    assert (stream.kind, stream.mistake) == ("fatal", True)
    error = httpx.Response(200, content=b'{"error": {"message": "Provider returned error"}}')
    trouble = read_answer(error, raw=False)
    assert isinstance(trouble, Trouble)
    assert trouble.what.endswith("(HTTP 200): Provider returned error")


def test_the_sentence_of_a_server_stands_behind_its_status() -> None:
    said = b'{"error": {"message": "max_tokens is not supported; key sk-abcdefgh12345 at https://x.test/a"}}'
    trouble = read_status(httpx.Response(400, content=said))
    assert trouble is not None
    assert trouble.kind == "refusal"
    assert (
        trouble.what == "refuses the prompt (HTTP 400): max_tokens is not supported; key [key] at [address]"
    )


def test_likely_first_tokens_are_told_without_case_and_blanks() -> None:
    top = [
        {"token": " Yes", "logprob": -0.5},
        {"token": "yes", "logprob": -2.0},
        {"token": "No", "logprob": -3.0},
    ]
    choice = {"message": {"content": "Yes"}, "logprobs": {"content": [{"top_logprobs": top}]}}
    answer = read_answer(httpx.Response(200, content=json.dumps({"choices": [choice]}).encode()), raw=False)
    assert isinstance(answer, Answer)
    assert answer.beginnings == pytest.approx({"yes": 0.7419, "no": 0.0498}, abs=1e-4)


@pytest.mark.parametrize(
    ("logprobs", "told"),
    [
        (None, None),
        ({"content": []}, None),
        ({"tokens": ["Yes"], "token_logprobs": [-0.1]}, None),
        ({"content": [{"top_logprobs": [{"token": "Yes", "logprob": "soon"}]}]}, None),
        ({"content": [{"top_logprobs": [{"token": "Yes", "logprob": 10**400}]}]}, None),
        ({"content": [{"top_logprobs": [{"token": "Yes", "logprob": float("nan")}]}]}, {}),
        ({"content": [{"top_logprobs": [{"token": "Yes", "logprob": 3.0}]}]}, {}),
        ({"content": [{"top_logprobs": [{"token": "Yes", "logprob": 0.0}] * 9}]}, {"yes": 1.0}),
    ],
)
def test_first_tokens_that_no_server_should_tell_leave_the_answer_whole(logprobs: Any, told: Any) -> None:
    choice = {"message": {"content": "Yes"}, "logprobs": logprobs}
    answer = read_answer(httpx.Response(200, content=json.dumps({"choices": [choice]}).encode()), raw=False)
    assert isinstance(answer, Answer)
    assert (answer.text, answer.beginnings) == ("Yes", told)
