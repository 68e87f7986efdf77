import pytest

from synth_stack.diffusion.families import (
    FAMILIES,
    ControlForm,
    ControlKind,
    FamilyName,
    find_family,
    require_control,
)
from synth_stack.errors import ConfigError


def test_a_class_belongs_to_one_family() -> None:
    classes = [name for family in FAMILIES.values() for name in set(family.classes.values())]
    assert len(classes) == len(set(classes))
    assert find_family("FluxControlPipeline", where="m") == "flux"


@pytest.mark.parametrize(
    ("family", "form", "kind", "allowed"),
    [
        ("sd3", "controlnet", "pose", "controlnet (canny, depth, blur)"),
        ("sd3", "union", "depth", "controlnet (canny, depth, blur)"),
        (
            "sdxl",
            "controlnet",
            "blur",
            "controlnet (canny, depth, pose); union (canny, depth, pose, layout, segment)",
        ),
        ("flux", "transformer", "pose", "transformer (canny, depth)"),
    ],
)
def test_a_pair_that_there_is_not_is_refused_with_those_that_there_are(
    family: FamilyName, form: ControlForm, kind: ControlKind, allowed: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        require_control(family, form, kind)
    assert allowed in str(raised.value)
    assert FAMILIES[family].title in str(raised.value)


def test_every_kind_of_a_union_has_a_number() -> None:
    for family in FAMILIES.values():
        assert set(family.controls.get("union", ())) == set(family.union_modes)
