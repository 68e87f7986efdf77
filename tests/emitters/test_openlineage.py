"""A run as OpenLineage events: what the specification asks for, the same id each time, and a server that says no."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from synth_stack.emitters.openlineage import build_events, emit_openlineage
from synth_stack.emitters.run_facts import RunFacts, read_facts
from synth_stack.errors import ConfigError, ServerError
from tests.review.toy_run import make_toy_run


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> RunFacts:
    return read_facts(make_toy_run(tmp_path_factory.mktemp("toy"), {"a": 6}), "a" * 64)


class Collector(HTTPServer):
    """Keeps what it is sent; answers with `status`."""

    status = 201

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, str | None, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Collector)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_events_have_what_the_specification_requires(facts: RunFacts) -> None:
    start, complete = build_events(facts, "ours", datetime(2026, 11, 30, tzinfo=UTC))
    for event in (start, complete):
        assert {"eventTime", "producer", "schemaURL", "run", "job", "eventType"} <= event.keys()
        assert event["job"] == {"namespace": "ours", "name": facts.name}
        facets = [
            *event["run"]["facets"].values(),
            *(f for i in event["inputs"] for f in i["facets"].values()),
        ]
        assert all({"_producer", "_schemaURL"} <= facet.keys() for facet in facets)
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    [output] = complete["outputs"]
    assert output["facets"]["version"]["datasetVersion"] == "a" * 64
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == facts.figures.accepted
    later = build_events(facts, "ours", datetime(2027, 1, 1, tzinfo=UTC))
    assert later[0]["run"]["runId"] == start["run"]["runId"]


def test_a_collector_gets_both_events_and_the_key(facts: RunFacts, collector: Collector) -> None:
    address = f"http://127.0.0.1:{collector.server_port}/"
    sent = emit_openlineage(facts, address, "ours", environment={"OPENLINEAGE_API_KEY": "k"})
    assert [(path, who) for path, who, _ in collector.got] == [("/api/v1/lineage", "Bearer k")] * 2
    assert [event for *_, event in collector.got] == sent
    assert "Bearer" not in json.dumps(sent)


def test_a_collector_that_refuses_or_is_not_there_is_named(facts: RunFacts, collector: Collector) -> None:
    collector.status = 422
    address = f"http://127.0.0.1:{collector.server_port}"
    with pytest.raises(ServerError, match="refuses an event; seen: 422"):
        emit_openlineage(facts, address, "ours", environment={})
    with pytest.raises(ServerError, match="does not answer"):
        emit_openlineage(facts, "http://127.0.0.1:9", "ours", environment={})
    with pytest.raises(ConfigError, match="an address or a file"):
        emit_openlineage(facts, "kafka://127.0.0.1", "ours", environment={})


def test_a_file_gets_a_line_an_event(facts: RunFacts, tmp_path: Path) -> None:
    for _ in range(2):
        emit_openlineage(facts, str(tmp_path / "new" / "events.jsonl"), "ours", environment={})
    lines = (tmp_path / "new" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"] * 2
