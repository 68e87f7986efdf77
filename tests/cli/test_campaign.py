import re
import socket
from pathlib import Path

import pytest

from synth_stack.workflows.review import plan
from tests.cli.test_main import call
from tests.review.toy_run import make_toy_run

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNTH_STACK_REVIEW_KEY", str(tmp_path / "review.key"))
    for name in ("ARGILLA_API_URL", "ARGILLA_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = make_toy_run(tmp_path / "toy", {"orders/late": 4})
    plan(folder, percent=100.0, overlap=0.0, estimate=0)
    return folder


@pytest.mark.parametrize("command", ["serve", "send", "collect", "status"])
def test_every_command_of_a_campaign_is_documented_and_takes_json(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(monkeypatch, capsys, "review", command, "--help")
    assert code == 0
    assert "--json" in out
    documented = (ROOT / "docs" / "cli.md").read_text()
    assert f"synth-stack review {command}" in documented
    options = set(re.findall(r"--[a-z][a-z-]+", out)) - {"--help", "--decide"}
    assert not [option for option in options if option not in documented]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["send", "{run}"], 2, "review serve"),
        (["send", "{run}", "--url", "http://127.0.0.1:9"], 2, "ARGILLA_API_KEY"),
        (["send", "{run}", "--url", "argilla", "--key-file", "{key}"], 2, "address"),
        (["send", "{run}", "--key-file", "nothing"], 1, "nothing"),
        (["send", "nowhere"], 2, "no review plan"),
        (["collect", "{run}", "--dataset", "d"], 2, "--map"),
        (["collect", "{run}", "--map", "decision=q"], 2, "--dataset"),
        (["collect", "{run}", "--dataset", "d", "--map", "x"], 2, "a map of answers"),
        (["status", "nowhere"], 2, "nowhere"),
        (["serve", "--port", "{port}"], 2, "--port"),
        (["serve", "--annotator", "a b", "--port", "{port}"], 2, "--port"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(  # noqa: PLR0917
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    said: str,
) -> None:
    (tmp_path / "key").write_text("the-secret-key\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = {"run": run, "key": tmp_path / "key", "port": taken.getsockname()[1]}
        found, out, err = call(monkeypatch, capsys, "review", *(word.format(**given) for word in words))
    assert (found, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1
    assert "the-secret-key" not in err


def test_a_status_needs_no_server(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = call(monkeypatch, capsys, "review", "status", str(run))
    assert code == 0
    assert "judgements 0 of 4 (0%)" in out
