"""The distilabel LLM: what of a prompt arrives at the server, and what comes back to a step."""

import json
import logging
from typing import Any

import pytest

from synth_stack.errors import ConfigError, TeacherError
from synth_stack.teachers.chat_formats import load_presets
from synth_stack.teachers.openai_llm import TeacherLLM, collect_answers
from synth_stack.teachers.prompt import Answer, Prompt
from tests.openai_server import MODEL, OpenAIServer, complete, fail, find_closed_url, serve

HELLO = [{"role": "user", "content": "hello"}]
SYSTEM = {"role": "system", "content": "You sell lamps."}
SECRET = "sk-loopback-0123456789"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def ask(llm: TeacherLLM, *prompts: list[dict[str, str]], num_generations: int = 1) -> list[dict[str, Any]]:
    llm.load()
    try:
        outputs: list[dict[str, Any]] = llm.generate(list(prompts), num_generations=num_generations)
    finally:
        llm.unload()
    return outputs


def make(server: OpenAIServer, **fields: Any) -> TeacherLLM:
    return TeacherLLM(**{"base_url": server.base_url, "model": MODEL, "retries": 0, **fields})


def test_seed_stop_strings_limit_sampling_and_model_arrive_with_each_row() -> None:
    with serve() as server:
        llm = make(server, sampling={"temperature": 0.7, "top_p": 0.9}, concurrency=1)
        ask(
            llm,
            Prompt(HELLO, seed=5, max_tokens=40, stop=["\n", "###"], sampling={"temperature": 0.1}),
            Prompt(HELLO, seed=6),
        )
    assert server.bodies() == [
        {
            "model": MODEL,
            "messages": HELLO,
            "seed": 5,
            "max_tokens": 40,
            "stop": ["\n", "###"],
            "temperature": 0.1,
            "top_p": 0.9,
        },
        {"model": MODEL, "messages": HELLO, "seed": 6, "temperature": 0.7, "top_p": 0.9},
    ]


def test_of_several_servers_one_that_can_be_reached_is_enough_to_begin(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = find_closed_url()
    with serve() as server, caplog.at_level(logging.WARNING):
        make(server, base_url=f"{gone} {server.base_url}").check()
    assert "1 of the 2 servers" in caplog.text
    assert gone not in caplog.text
    with pytest.raises(TeacherError, match="cannot be reached"):
        TeacherLLM(base_url=f"{gone} {find_closed_url()}", model=MODEL).check()


def test_a_plain_chat_is_asked_without_seed_or_limits() -> None:
    with serve() as server:
        (output,) = ask(make(server), HELLO)
    assert server.bodies() == [{"model": MODEL, "messages": HELLO}]
    assert json.loads(output["call"][0])["seed"] is None


def test_seed_zero_is_a_seed() -> None:
    with serve() as server:
        ask(make(server), Prompt(HELLO, seed=0))
    assert server.bodies()[0]["seed"] == 0


def test_a_raw_prompt_is_a_completion_of_its_text() -> None:
    with serve() as server:
        ask(make(server), Prompt([{"role": "user", "content": "Customer 1:"}], raw=True))
    assert server.asked[0].path == "/v1/completions"
    assert server.bodies() == [{"model": MODEL, "prompt": "Customer 1:"}]


def test_several_generations_have_seeds_of_their_own_that_stay_in_range() -> None:
    with serve() as server:
        (output,) = ask(make(server), Prompt(HELLO, seed=2**31 - 1), num_generations=3)
    assert sorted(body["seed"] for body in server.bodies()) == [0, 1, 2**31 - 1]  # they arrive in any order
    assert len(set(output["generations"])) == 3
    assert [len(values) for values in output["statistics"].values()] == [3, 3]


@pytest.mark.parametrize(
    ("chat_format", "end", "text"),
    [
        ("qwen2", "<|im_end|>", "<|im_start|>system\nYou sell lamps.<|im_end|>\n<|im_start|>user\n"),
        (
            "llama3",
            "<|eot_id|>",
            "<|start_header_id|>system<|end_header_id|>\n\nYou sell lamps.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\n",
        ),
    ],
)
def test_magpie_opens_the_user_s_turn_after_the_system_prompt_and_stops(
    chat_format: str, end: str, text: str
) -> None:
    with serve() as server:
        llm = make(
            server,
            chat_format=chat_format,
            use_magpie_template=True,
            magpie_pre_query_template=load_presets()[chat_format].open_turn(),
        )
        ask(llm, Prompt([SYSTEM], seed=3, stop=["\n"]), [SYSTEM, *HELLO], [])
    by_path = {
        asked.path: asked.body
        for asked in server.asked
        if asked.body.get("prompt") != load_presets()[chat_format].open_turn()
    }
    assert by_path["/v1/completions"] == {"model": MODEL, "prompt": text, "seed": 3, "stop": ["\n", end]}
    assert by_path["/v1/chat/completions"]["messages"] == [SYSTEM, *HELLO]
    assert load_presets()[chat_format].open_turn() in [body.get("prompt") for body in server.bodies()]


def test_a_finished_dialogue_is_continued_by_the_user() -> None:
    turns = [*HELLO, {"role": "assistant", "content": "Hi {role}!"}]
    assert load_presets()["qwen2"].write_turns(turns) == (
        "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nHi {role}!<|im_end|>\n"
    )


def test_the_record_of_a_call_has_reason_tokens_seed_and_cut() -> None:
    with serve(complete("It was on", finish_reason="length"), fail(500)) as server:
        cut, failed = ask(make(server, concurrency=1), Prompt(HELLO, seed=9), HELLO)
    assert json.loads(cut["call"][0]) == {
        "failure": None,
        "cut": True,
        "input_tokens": 11,
        "output_tokens": 7,
        "seed": 9,
        "finish": "length",
        "on_cut": "fail",
    }
    assert failed["generations"] == [None]
    assert json.loads(failed["call"][0])["failure"] == "teacher error: answers HTTP 500"


def test_no_more_than_concurrency_requests_are_in_flight() -> None:
    with serve() as server:
        llm = make(server, concurrency=2)
        outputs = ask(llm, *[Prompt(HELLO, seed=seed) for seed in range(12)])
    assert len(outputs) == 12
    assert server.most_at_once <= 2


def test_answers_stand_in_the_order_of_their_prompts() -> None:
    prompts = [Prompt(HELLO, seed=seed) for seed in range(8)]
    with serve() as server:
        one_by_one = ask(make(server, concurrency=1), *prompts)
        at_once = ask(make(server, concurrency=8), *prompts)
    assert [o["generations"] for o in one_by_one] == [o["generations"] for o in at_once]


def test_a_loaded_teacher_forgets_that_its_server_was_down() -> None:
    with serve(fail(401)) as server:
        llm = make(server)
        ask(llm, HELLO)
        seen = [llm.health.down]
        (output,) = ask(llm, HELLO)
    assert [*seen, llm.health.down] == ["refuses the API key (HTTP 401)", None]
    assert output["generations"][0] is not None


def test_unloading_twice_or_without_a_request_is_harmless() -> None:
    with serve() as server:
        llm = make(server)
        llm.load()
        llm.unload()
        llm.unload()
        assert server.asked == []


def test_the_key_comes_from_the_environment_and_stands_in_no_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPBACK_KEY", f" {SECRET}\n")
    with serve(fail(500)) as server:
        llm = make(server, api_key_env="LOOPBACK_KEY")
        llm.check()
        (output,) = ask(llm, HELLO)
        assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
        assert server.listed[0].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in json.dumps(llm.dump())
    assert SECRET not in repr(llm)
    assert SECRET not in json.dumps(output)


@pytest.mark.parametrize("value", [None, "", " \n", "sk-a\nb", "sk-ключ"])
def test_a_key_that_is_not_there_or_cannot_be_sent_is_refused_before_anything_is_sent(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOOPBACK_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("LOOPBACK_KEY", value)
    with serve() as server:
        llm = make(server, api_key_env="LOOPBACK_KEY")
        for refused in (llm.check, llm.load):
            with pytest.raises(ConfigError, match="export LOOPBACK_KEY") as caught:
                refused()
            assert "sk-" not in str(caught.value)
        assert server.listed == server.asked == []


def test_sampling_parameters_in_distilabel_s_place_are_refused_with_ours_named() -> None:
    with serve() as server, pytest.raises(ConfigError, match=r"as sampling=\{...\}; seen: .*temperature"):
        make(server, generation_kwargs={"temperature": 0.5}).load()


def test_a_dump_makes_the_same_teacher_again() -> None:
    with serve() as server:
        llm = make(server, sampling={"temperature": 0.5}, chat_format="qwen2", prefers_raw=True)
    assert TeacherLLM.from_dict(llm.dump()).dump() == llm.dump()


def test_the_answers_of_one_prompt_are_one_output() -> None:
    output = collect_answers(
        [Answer("a", None, False, 1, 2), Answer(None, "why", False, 3, 0)], Prompt(HELLO)
    )
    assert output["generations"] == ["a", None]
    assert output["statistics"] == {"input_tokens": [1, 3], "output_tokens": [2, 0]}
    assert [json.loads(call)["failure"] for call in output["call"]] == [None, "why"]
