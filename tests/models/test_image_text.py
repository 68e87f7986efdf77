from pathlib import Path

import numpy as np
import pytest

from synth_stack.errors import ModelError
from synth_stack.models.image_text import load_image_text
from tests.picture_rows import draw_picture
from tests.tiny_models import write_tiny_clip


def test_images_and_texts_become_unit_vectors_of_one_space(tmp_path: Path) -> None:
    model = load_image_text(write_tiny_clip(tmp_path))
    texts = model.embed_texts(["a cat", "a dog", "a cat"])
    image = model.embed_image(draw_picture(1))
    assert texts.shape == (3, 8)
    assert image.shape == (8,)
    assert np.linalg.norm(image) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(texts[0], texts[2])
    assert not np.array_equal(texts[0], texts[1])
    assert "model.safetensors" in model.files


def test_a_model_with_a_tokenizer_that_is_none_is_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    (tmp_path / "vocab.json").write_text("no JSON")
    with pytest.raises(ModelError, match="tokenizer"):
        load_image_text(tmp_path)


def test_a_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    write_tiny_clip(tmp_path)
    (tmp_path / "vocab.json").unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        load_image_text(tmp_path)
