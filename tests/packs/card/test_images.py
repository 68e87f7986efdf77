from synth_stack.files import render_yaml
from synth_stack.packs.card.images import render_images, render_licences
from synth_stack.packs.images import ImageCounts, PackedImage
from synth_stack.runs.locks import parse_recipe
from tests.packs.judged_run import RECIPE, identify

NAME = f"images/3f/{'3f' * 32}.png"


def make_counts(*slices: str | None) -> ImageCounts:
    return ImageCounts(9, tuple(PackedImage(NAME, "ab" * 16, each, {}) for each in slices))


def test_rows_without_images_have_no_section() -> None:
    assert render_images(None) == []


def test_the_samples_stand_four_in_a_line_and_their_slices_are_text() -> None:
    lines = render_images(make_counts("a", None, "<script>", "b|c", "e"))[-1].splitlines()
    assert len(lines) == 4
    assert lines[2].count("<img ") == 4
    assert "no slice" in lines[2]
    assert "&lt;script&gt;" in lines[2]
    assert "b\\|c" in lines[2]
    assert lines[3].count("<img ") == 1


def test_conditions_alone_are_counted_and_not_shown() -> None:
    assert len(render_images(make_counts())) == 3


def test_licences_of_weights_and_of_what_conditions_were_drawn_from_are_told() -> None:
    lock = {
        **RECIPE,
        "teacher": {
            **RECIPE["teacher"],
            "weights": [{"part": "base", "name": "a|b", "license": None, "digest": "ab", "files": {}}],
        },
        "methods": [
            {**RECIPE["methods"][0], "params": {"conditions": [{"kind": "canny", "license": "CC-BY-4.0"}]}},
        ],
    }
    text = "\n".join(render_licences(parse_recipe(render_yaml(identify(lock)), where="recipe")))
    assert "| `base` | `a\\|b` | not stated | `ab` |" in text
    assert "| `canny` | `CC-BY-4.0` |" in text


def test_a_recipe_without_either_has_no_such_tables() -> None:
    assert render_licences(parse_recipe(render_yaml(dict(RECIPE)), where="recipe")) == []
