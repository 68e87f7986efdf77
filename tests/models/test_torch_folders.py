from pathlib import Path

import pytest

from synth_stack.errors import ModelError
from synth_stack.models.torch_folders import check_folder, load_parts
from tests.tiny_models import write_tiny_depth


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no model"),
        ({"config.json": "{}"}, "no weights"),
        ({"config.json": "{}", "model.safetensors": "", "pytorch_model.bin": ""}, "runs code"),
        ({"config.json": "{}", "a.pkl": ""}, "runs code"),
    ],
)
def test_a_folder_without_safe_weights_is_refused(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=said):
        check_folder(tmp_path)


def test_every_file_is_digested_and_damaged_weights_are_an_error_with_their_name(tmp_path: Path) -> None:
    write_tiny_depth(tmp_path)
    folder = check_folder(tmp_path)
    assert {"config.json", "model.safetensors"} <= folder.files.keys()
    assert not load_parts(folder, "AutoModelForDepthEstimation").training
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_parts(check_folder(tmp_path), "AutoModelForDepthEstimation")


def test_a_snapshot_of_the_hub_whose_files_are_links_is_loaded(tmp_path: Path) -> None:
    blobs = write_tiny_depth(tmp_path / "blobs")
    snapshot = tmp_path / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(blobs.iterdir())):
        (snapshot / file.name).symlink_to(file.rename(blobs / f"blob{number}"))
    folder = check_folder(snapshot)
    assert {"config.json", "model.safetensors"} <= folder.files.keys()
    assert load_parts(folder, "AutoModelForDepthEstimation") is not None
