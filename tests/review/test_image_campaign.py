"""A campaign over images on a real server: people see the image in the record, and decide it."""

from pathlib import Path

import pytest

from synth_stack.review.server.local_server import LocalServer
from synth_stack.workflows.campaign import campaign
from synth_stack.workflows.review import decide_lots, plan
from tests.argilla_server import ANNOTATORS, Person
from tests.packs.image_pack import curate_images

pytestmark = [pytest.mark.review, pytest.mark.slow]


def test_reviewers_see_the_image_of_a_row_and_decide_it(tmp_path: Path, argilla: LocalServer) -> None:
    run = curate_images(tmp_path)
    plan(run, seed=977, percent=100.0, held="also", overlap=0.0, estimate=0)
    address = argilla.address
    with campaign(run, url=address.url, api_key=address.api_key) as reviews:
        sent = reviews.send()
        assert sent.new == sent.total == 5
        assert reviews.send().new == 0
        person = Person(argilla, ANNOTATORS[0])
        dataset = person.find_dataset(sent.datasets[0])
        records = person.list_records(dataset)
        assert len(records) == 5
        assert all(each["fields"]["image"].startswith("data:image/jpeg;base64,") for each in records)
        person.answer_all(dataset)
        assert reviews.collect().recorded.new == 5
    assert decide_lots(run).outcome.waiting == 0
