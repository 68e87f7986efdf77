"""The page is served to whoever has its token, and to nobody else."""

import json
import re
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from synth_stack.errors import InputError
from synth_stack.ui.judging import Desk
from synth_stack.ui.server import MAX_BODY_BYTES, SHARED, LocalPage, parse_query
from tests.review.toy_run import find_ids
from tests.ui.conftest import REVIEWER, ask, serve


def test_rows_and_their_lineage_are_given_with_the_token(toy: Path) -> None:
    held = find_ids(toy, "HOLD")[0]
    with serve(toy, None) as page:
        assert page.address == f"http://127.0.0.1:{page.server_address[1]}/#token={page.token}"
        status, told = ask(page, "/api/summary")
        assert (status, told["rows"], told["desk"]) == (200, 65, None)
        status, found = ask(page, "/api/rows?decision=held&limit=2")
        assert (status, found["total"], len(found["rows"])) == (200, 3, 2)
        status, traced = ask(page, f"/api/rows/{held}")
        assert (status, traced["row_id"], traced["verdicts"][0]["reason"]) == (200, held, "it says HOLD")


def test_a_row_is_proved_against_the_signature_of_the_pack_shown_or_beside_the_run(
    toy: Path, pack: Path, run: Path
) -> None:
    held = find_ids(toy, "HOLD")[0]
    path = f"/api/rows/{held}/proof"
    with serve(pack, None) as page:
        status, proof = ask(page, path)
    assert (status, proof["row_id"], proof["decision"], proof["in_data"]) == (200, held, "held", False)
    with serve(run, None) as page:
        status, told = ask(page, path)
        assert (status, told["error"].startswith("this run has no pack yet")) == (400, True)
        shutil.copytree(pack, run / "pack")
        assert ask(page, path) == (200, proof)
        record = next((run / "pack" / "lineage").rglob("*.parquet"))
        record.write_bytes(record.read_bytes()[:-9] + b"123456789")
        assert ask(page, path)[0] == 400
        assert ask(page, f"/api/rows/{'0' * 32}/proof")[0] == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": ""},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Host": "attacker.example"},
        {"Host": "attacker.example:80"},
        {"Host": "127.0.0.1"},
    ],
)
@pytest.mark.parametrize("body", [None, {}])
def test_without_the_token_or_for_another_host_nothing_is_told_or_written(
    run: Path, headers: dict[str, str], body: Any
) -> None:
    with serve(run, Desk(run, *REVIEWER)) as page:
        for path in ("/api/summary", "/api/rows", "/api/plan", "/api/decide", "/api/nothing"):
            assert ask(page, path, body, **headers)[0] == 403
    assert not (run / "review").exists()


def test_the_page_has_every_function_of_the_report_that_its_scripts_call() -> None:
    report, ui = files("synth_stack.report"), files("synth_stack.ui")
    named = re.compile(r"^(?:async )?(?:function|const|let) (\w+)", re.MULTILINE)
    scripts = {file.name: file.read_text() for file in report.iterdir() if file.name.endswith(".js")}
    bundle = "\n".join([*(scripts[name] for name in SHARED), ui.joinpath("ui.js").read_text()])
    lists = re.findall(r"function \w+\(([^)]*)\)|\(([^()]*)\) =>|(\w+) =>", bundle)
    handed = {name for groups in lists for text in groups for name in re.findall(r"\w+", text)}
    others = set(named.findall("\n".join(scripts.values()))) - set(named.findall(bundle))
    assert others
    assert [name for name in sorted(others - handed) if re.search(rf"\b{name}[(,)]", bundle)] == []


def test_the_page_itself_holds_no_row_and_no_token_and_lets_no_other_script_run(toy: Path) -> None:
    with serve(toy, None) as page:
        status, html = ask(page, "/", Authorization="")
        assert status == 200
        assert page.token.encode() not in html
        assert b"Question" not in html
        assert ask(page, "/", Host="attacker.example")[0] == 403
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy


@pytest.mark.parametrize(
    "path", ["/api/rows/..", "/api/rows/../../etc/passwd", "/index.html", "/api", "/api/rows/" + "A" * 32]
)
def test_there_is_nothing_beside_it(toy: Path, path: str) -> None:
    with serve(toy, None) as page:
        assert ask(page, path)[0] == 404


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/rows?limit=many", "are numbers"),
        ("/api/rows?limit=1000000", "no such page"),
        ("/api/rows?score_gate=nothing", "no gate of this batch"),
        ("/api/rows?colour=red", "no such part"),
        ("/api/rows/" + "0" * 32, "0000"),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(toy: Path, path: str, sentence: str) -> None:
    with serve(toy, None) as page:
        status, told = ask(page, path)
        assert status == 400
        assert sentence in told["error"]


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"x" * (MAX_BODY_BYTES + 1)])
def test_noise_is_refused_and_the_page_goes_on(run: Path, body: bytes) -> None:
    with serve(run, Desk(run, *REVIEWER)) as page:
        assert ask(page, "/api/judgements", body[: MAX_BODY_BYTES + 1])[0] == 400
        assert ask(page, "/api/summary")[0] == 200


def test_a_page_without_a_desk_writes_nothing(toy: Path) -> None:
    with serve(toy, None) as page:
        assert ask(page, "/api/plan", {})[0] == 404
    assert not (toy / "review").exists()


def test_a_port_that_is_taken_is_a_sentence(toy: Path) -> None:
    with serve(toy, None) as page, pytest.raises(InputError, match="Name another with --port"):
        LocalPage(toy, None, page.server_address[1])


def test_an_address_says_a_query() -> None:
    query = parse_query({"q": " word ", "decision": "held", "score_gate": "g", "low": "0.5", "sort": "score"})
    assert (query.needle, query.choices, query.gate, query.low, query.by_score) == (
        "word",
        {"decision": "held"},
        "g",
        0.5,
        True,
    )
    assert json.dumps(parse_query({}).choices) == "{}"
