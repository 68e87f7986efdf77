from pathlib import Path
from typing import Any

import pytest

import synth_stack.teachers  # noqa: F401  (registers them)
from synth_stack.errors import ConfigError
from synth_stack.registry import bind

NEEDED = {"model": "m", "license": "MIT"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"license": None}, "license"),
        ({"license": "a licence of ours"}, "license"),
        ({"devices": []}, "one device, or several"),
        ({"devices": ["cuda:0", "cuda:0"]}, "one device, or several"),
        ({"devices": ["gpu"]}, "'gpu' is no device"),
        ({"revision": "main"}, "revision"),
        ({"dtype": "int8"}, "dtype"),
        ({"images_at_once": 0}, "images_at_once"),
        ({"pickles": {"unet/a.bin": "short"}}, "pickles"),
        ({"controls": [{"form": "adapter"}]}, "form"),
        ({"loras": [{"path": "a.safetensors"}]}, "license"),
    ],
)
def test_a_parameter_that_is_none_is_refused_by_name(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        bind("teacher", "diffusion", {**NEEDED, **change}, where="r")


def test_paths_are_taken_from_the_folder_of_the_recipe_and_names_of_the_hub_stay(tmp_path: Path) -> None:
    controls = [{"kind": "canny", "path": "net", "license": "MIT"}]
    params = bind("teacher", "diffusion", {**NEEDED, "controls": controls}, where="r", folder=tmp_path).params
    assert params["model"] == str(tmp_path.resolve() / "m")
    assert params["controls"][0]["path"] == str(tmp_path.resolve() / "net")
    hub = bind("teacher", "diffusion", {**NEEDED, "model": "hub:owner/name"}, where="r", folder=tmp_path)
    assert hub.params["model"] == "hub:owner/name"


def test_a_transformer_that_takes_the_condition_has_no_other_control() -> None:
    controls = [{"form": "transformer", "kind": "depth"}, {"kind": "canny", "path": "c", "license": "MIT"}]
    with pytest.raises(ConfigError, match="has no other control"):
        bind("teacher", "diffusion", {**NEEDED, "controls": controls}, where="r").make()
