import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from synth_stack.errors import ConfigError
from synth_stack.packs.image_rows import resolve_row
from synth_stack.packs.signers import local_signer, make_content_signer
from synth_stack.packs.trace import trace
from synth_stack.packs.verify.verify import inspect_pack, verify_row
from synth_stack.packs.write import write_pack
from synth_stack.workflows.curate import curate
from tests.packs.image_pack import curate_images, name_picture
from tests.packs.judged_run import reseal
from tests.picture_rows import draw_picture, save


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of images with manifests, its run and key beside it."""
    folder = tmp_path_factory.mktemp("credentials")
    run, key = curate_images(folder), folder / "key.pem"
    write_pack(run, folder / "pack", signer=local_signer(key), credentials=make_content_signer(key))
    return folder / "pack"


@pytest.fixture
def pack(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound.parent, tmp_path / "all")
    return tmp_path / "all" / "pack"


def strip(path: Path) -> None:
    """Encode an image again, as any program does."""
    again = io.BytesIO()
    with Image.open(path) as opened:
        opened.save(again, "PNG")
    path.write_bytes(again.getvalue())


def test_a_pack_with_manifests_verifies_and_its_images_are_those_of_the_rows(sound: Path) -> None:
    found = inspect_pack(sound)
    assert found.problems == ()
    image = (sound / name_picture(1)).read_bytes()
    assert b"dev.synth-stack.lineage" in image
    assert (found.root or "").encode() in image
    assert image != save(draw_picture(1))


def test_a_stripped_manifest_is_found_and_the_row_still_proves_the_pixels(pack: Path) -> None:
    strip(pack / name_picture(1))
    found = inspect_pack(pack)
    assert name_picture(1) in str(found.problems[0])
    assert any("its pixels are still those of the row" in note for note in found.warnings)
    row_id = resolve_row(pack, str(pack / name_picture(1)))
    assert trace(pack, row_id).row["source_id"] == "cats/1.png"
    assert verify_row(pack, row_id).in_data
    reseal(pack, pack.parent / "key.pem")
    assert "no C2PA manifest any more" in str(inspect_pack(pack).problems[0])


def test_the_file_that_was_judged_in_the_place_of_the_signed_one_is_found(pack: Path) -> None:
    (pack / name_picture(1)).write_bytes(save(draw_picture(1)))
    reseal(pack, pack.parent / "key.pem")
    assert "no C2PA manifest any more" in str(inspect_pack(pack).problems[0])


@pytest.mark.parametrize("change", ["pixel", "other", "broken"])
def test_what_became_of_a_changed_image_is_said(pack: Path, change: str) -> None:
    pixels = draw_picture(2 if change == "other" else 1).copy()
    pixels[0, 0, 0] ^= 1 if change == "pixel" else 0
    (pack / name_picture(1)).write_bytes(b"no image" if change == "broken" else save(pixels))
    said = {"pixel": "its pixels are others", "other": name_picture(2), "broken": "no image any more"}[change]
    found = inspect_pack(pack)
    assert any(said in note for note in found.warnings)
    reseal(pack, pack.parent / "key.pem")
    assert "does not have the pixels" in str(inspect_pack(pack).problems[0])


def test_a_manifest_of_another_batch_or_signer_is_found(pack: Path, tmp_path: Path) -> None:
    run = pack.parent / "run"
    other = tmp_path / "other.pem"
    write_pack(run, tmp_path / "second", signer=local_signer(other), credentials=make_content_signer(other))
    shutil.copyfile(tmp_path / "second" / name_picture(1), pack / name_picture(1))
    reseal(pack, pack.parent / "key.pem")
    assert "another signer or another batch" in str(inspect_pack(pack).problems[0])


def test_a_pack_with_manifests_is_curated_again(sound: Path, tmp_path: Path) -> None:
    again = curate(sound, sound.parent / "gates.yaml", tmp_path / "again")
    assert again.figures.accepted == 5


def test_certificates_without_a_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="go together"):
        make_content_signer(chain=tmp_path / "chain.pem")
