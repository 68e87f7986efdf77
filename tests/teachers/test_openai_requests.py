"""What of a prompt is written into a request, and in which words."""

from synth_stack.teachers.openai_requests import RequestForm, cut_at_stop
from synth_stack.teachers.prompt import Prompt

HELLO = [{"role": "user", "content": "hello"}]
PROMPT = Prompt(HELLO, seed=4, max_tokens=50, stop=["\n"], sampling={"temperature": 0.3})


def test_a_server_is_sent_nothing_that_it_does_not_take() -> None:
    form = RequestForm(
        "m",
        {"top_p": 0.9, "user": "me"},
        limit_field="max_completion_tokens",
        left_out=["sampling", "seed", "stop"],
    )
    body, raw = form.write(PROMPT, 0)
    assert not raw
    assert body == {"model": "m", "user": "me", "max_completion_tokens": 50, "messages": HELLO}


def test_the_lower_limit_holds_and_room_to_think_is_added_to_it() -> None:
    form = RequestForm("m", max_tokens=20)
    assert form.write(PROMPT, 0)[0]["max_tokens"] == 20
    assert form.write(PROMPT, 0, room=100)[0]["max_tokens"] == 120
    assert "max_tokens" not in RequestForm("m").write(Prompt(HELLO), 0, room=100)[0]


def test_an_answer_is_gone_on_with_as_its_kind_of_prompt_wants() -> None:
    chat, _ = RequestForm("m").write(PROMPT, 0, after="It is")
    assert chat["messages"][-1] == {"role": "assistant", "content": "It is"}
    assert chat["continue_final_message"] is True
    raw, _ = RequestForm("m").write(Prompt(HELLO, raw=True), 0, after=" world")
    assert raw["prompt"] == "hello world"


def test_a_text_ends_before_the_first_stop_string() -> None:
    assert cut_at_stop("a\nb###c", ["###", "\n"]) == ("a", True)
    assert cut_at_stop("abc", ["\n"]) == ("abc", False)


def test_choices_ask_for_what_the_beginning_might_have_been_where_the_server_tells() -> None:
    asked = Prompt(HELLO, choices=("yes", "no"))
    assert RequestForm("m").write(asked, 0)[0].keys() >= {"logprobs", "top_logprobs"}
    assert asked.with_messages(HELLO).choices == ("yes", "no")
    for form, prompt in [
        (RequestForm("m"), PROMPT),
        (RequestForm("m", left_out=["logprobs"]), asked),
        (RequestForm("m"), Prompt(HELLO, raw=True, choices=("yes", "no"))),
    ]:
        assert "logprobs" not in form.write(prompt, 0)[0]
