"""The page in a browser, once for all tests here."""

from collections.abc import Iterator

import pytest

from tests.packs.page.page_browser import VerifyPage, open_verify_page


@pytest.fixture(scope="session")
def verify_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VerifyPage]:
    with open_verify_page(tmp_path_factory.mktemp("page")) as page:
        yield page
