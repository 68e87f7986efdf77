from synth_stack.inputs.terms import PURPOSES, TERMS, inherit_terms, rank_terms, read_terms


def test_each_terms_allow_one_purpose_more() -> None:
    assert len(TERMS) == len(PURPOSES)
    assert [rank_terms(name) for name in TERMS] == [0, 1, 2, 3]
    assert rank_terms("anything") == rank_terms(None) == -1


def test_terms_are_found_by_name_and_digest_and_the_stricter_count() -> None:
    open_, closed = ({"output": name, "license": "MIT"} for name in ("train-any", "research-only"))
    lock = {
        "source": {"terms": {"old": closed, "big": open_}},
        "teacher": {"model": "big", "digest": "sha256:1", "terms": open_},
        "models": {"judge": {"model": "big", "terms": closed}, "rewriter": {"model": "silent"}},
    }
    assert read_terms(lock) == {"old": closed, "big": closed, "sha256:1": open_}


def test_a_lock_of_another_shape_declares_nothing() -> None:
    assert read_terms({"source": "x", "teacher": ["y"], "models": 3}) == {}


def test_licence_and_terms_go_on_to_rows_that_are_judged_again() -> None:
    terms = {"output": "train-any", "license": "MIT"}
    first = {"recipe": {"pack": {"license": "mit"}}, "teacher": {"model": "big", "terms": terms}}
    second = {"source": inherit_terms(first)}
    assert inherit_terms(first) == inherit_terms(second) == {"license": "mit", "terms": {"big": terms}}
    assert inherit_terms({}) == inherit_terms({"recipe": {"pack": {"license": 3}}}) == {}


def test_terms_that_no_lock_can_hold_do_not_go_on() -> None:
    models = {"judge": {"model": "a", "terms": {"output": "all", "license": "MIT"}}}
    models["rewriter"] = {"model": "b", "terms": {"output": "train-any"}}
    assert inherit_terms({"models": models}) == {}
