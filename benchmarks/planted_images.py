"""Images to measure by: scenes drawn from a seed and cuts of photographs, and what people do to images.

Photographs are those that packages carry (scikit-learn, and scikit-image where it is installed): a cut of one
is 256 pixels of it or more, and no two cuts share more than a few of their pixels.

Two more sets are of Debian 12's packages, of photographs by other people each:

    apt-get download lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds
    apt-get download plasma-workspace-wallpapers gcompris-qt-data
    for each in *.deb; do dpkg-deb -x "$each" FOLDER; done

WALLPAPERS are 38 by some thirty people; the bars on texture were chosen on them. The 117 photographs of
animals, monuments, musicians and reefs in GCompris (3.1-2) are those on which nothing was tried or chosen.
Drawings, and photographs that are there twice, are left out.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

Picture = Image.Image
Change = Callable[[Picture, np.random.Generator], Picture]

_PHOTOGRAPHS = {
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
    "skimage": (
        "data",
        (
            *("astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "grass.png"),
            *("gravel.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "retina.jpg"),
            "rocket.jpg",
        ),
    ),
}


WALLPAPERS = (
    *("Bridge_by_Sander_Klootwijk", "Dragonfly_by_Bolly", "Picture_0B_by_freespace"),
    *("Picture_1A_by_freespace", "Wine_by_Jakkub_Mede", "aitzgorri_by_Aitzol_Berasategi"),
    *("analogpattern_by_Peter_Nerlich", "free_by_Peter_Nerlich", "friends_by_Aitzol_Berasategi"),
    *("greentock_by_Peter_Nerlich", "life_by_Aitzol_Berasategi", "picosdeeuropa_by_Aitzol_Berasategi"),
    *("seeding_by_Clements_Engelhardt", "sunset_by_Aitzol_Berasategi", "Kleiber_by_Lukas_Baubkus"),
    *("mate/nature/Aqua", "mate/nature/Blinds", "mate/nature/Dune", "mate/nature/FreshFlower"),
    *("mate/nature/Garden", "mate/nature/GreenMeadow", "mate/nature/LadyBird", "mate/nature/RainDrops"),
    *("mate/nature/Storm", "mate/nature/TwoWings", "mate/nature/Wood", "mate/nature/YellowFlower"),
    *("BytheWater", "ColdRipple", "ColorfulCups", "DarkestHour", "EveningGlow", "FallenLeaf", "Grey"),
    *("Kite", "OneStandsOut", "Path", "summer_1am"),
)
"""Where they lie below usr/share/backgrounds, without .jpg, or their folder in usr/share/wallpapers."""


_ARCHIVES = (
    *("clickgame", "erase", "explore_farm_animals", "explore_monuments", "explore_world_animals"),
    "explore_world_music",
)
"""Files of GCompris that have photographs in them, as WEBP; drawings are smaller or transparent."""


def cut_unseen(folder: Path, side: int = 256) -> Iterator[tuple[str, Picture]]:
    """The name and a cut of `side` pixels of the photographs of GCompris below a folder, made smaller to two
    cuts from top to bottom, none over another. Raises FileNotFoundError.
    """
    for name in _ARCHIVES:
        data = (folder / "usr/share/gcompris-qt/rcc" / f"{name}.rcc").read_bytes()
        found = {hashlib.sha256(each).hexdigest()[:10]: each for each in _list_webp(data)}
        for digest in sorted(found):
            with Image.open(io.BytesIO(found[digest])) as photograph:
                if photograph.mode == "RGB" and min(photograph.size) >= 2 * side:
                    yield from _cut_all(photograph.convert("RGB"), side, 2, f"{name}-{digest}")


def _list_webp(data: bytes) -> Iterator[bytes]:
    """Every WEBP file that lies in others' bytes."""
    at = data.find(b"RIFF")
    while at >= 0:
        if data[at + 8 : at + 12] == b"WEBP":
            yield data[at : at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")]
        at = data.find(b"RIFF", at + 4)


def _cut_all(photograph: Picture, side: int, down: int, name: str) -> Iterator[tuple[str, Picture]]:
    """The cuts of a photograph that is made so small that `down` of them lie from top to bottom."""
    kept = down * side / min(photograph.size)
    width, height = (max(down * side, round(each * kept)) for each in photograph.size)
    whole = photograph.resize((width, height))
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            yield f"{name}-{top // side}-{left // side}", whole.crop((left, top, left + side, top + side))


def cut_wallpapers(folder: Path, side: int = 256) -> Iterator[tuple[str, Picture]]:
    """The name and a cut of `side` pixels of WALLPAPERS below a folder, made smaller to three cuts from top
    to bottom, none over another. Raises FileNotFoundError.
    """
    share = folder / "usr" / "share"
    for name in WALLPAPERS:
        wide = share / "wallpapers" / name / "contents" / "images" / "2560x1600.jpg"
        path = wide if wide.is_file() else share / "backgrounds" / f"{name}.jpg"
        with Image.open(path) as photograph:
            photograph.draft("RGB", (6 * side, 6 * side))
            whole = photograph.convert("RGB")
        yield from _cut_all(whole, side, 3, Path(name).name)


def draw_scene(seed: int, side: int = 512) -> Picture:
    """A scene of hills, things and textures: colours, places, sizes and noise all from the seed."""
    rng = np.random.default_rng(seed)
    ground = _draw_clouds(rng, side)
    picture = Image.fromarray(ground)
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(4, 16))):
        _draw_thing(pen, rng, side)
    grain = rng.normal(0, rng.uniform(0, 6), (side, side, 1))
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))


def draw_view(seed: int, side: int = 512) -> tuple[Picture, Picture]:
    """Two views of one scene: the same things in the same colours, each at another place and size."""
    rng = np.random.default_rng(seed)
    colours = [tuple(int(c) for c in rng.integers(0, 256, 3)) for _ in range(8)]
    grounds = [_draw_clouds(np.random.default_rng((seed, 1)), side, shift) for shift in (0.0, 0.35)]
    views = []
    for number, ground in enumerate(grounds):
        own = np.random.default_rng((seed, 2, number))
        picture = Image.fromarray(ground)
        pen = ImageDraw.Draw(picture)
        for colour in colours:
            _draw_thing(pen, own, side, colour)
        views.append(picture)
    return views[0], views[1]


def cut_photographs(side: int = 256, *, which: int | None = None) -> Iterator[Picture]:
    """Cuts of `side` pixels of every photograph that is installed, none over another; with `which` (0 or 1)
    of every second photograph.
    """
    for package, (folder, names) in _PHOTOGRAPHS.items():
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for name in names if which is None else names[which::2]:
            with Image.open(Path(spec.origin).parent / folder / name) as photograph:
                whole = photograph.convert("RGB")
            for top in range(0, whole.height - side + 1, side):
                for left in range(0, whole.width - side + 1, side):
                    yield whole.crop((left, top, left + side, top + side))


def _draw_clouds(rng: np.random.Generator, side: int, shift: float = 0.0) -> np.ndarray:
    """Noise of several scales, (side, side, 3): coarse shapes, as many fine ones as a photograph has."""
    total = np.zeros((side, side, 3))
    fall = rng.uniform(0.45, 0.75)
    for octave in range(2, 8):
        cells = 2**octave
        patch = rng.uniform(-1, 1, (cells + 1, cells + 1, 3)) * 255
        patch = np.roll(patch, round(shift * cells), axis=1)
        channels = [Image.fromarray(patch[..., c].astype(np.float32)) for c in range(3)]
        grown = [np.asarray(c.resize((side, side), Image.Resampling.BICUBIC)) for c in channels]
        total += np.stack(grown, -1) * fall ** (octave - 2)
    grey = total.mean(axis=2, keepdims=True)
    total = grey + (total - grey) * rng.uniform(0.1, 0.8)
    return np.asarray(np.clip(rng.uniform(80, 180) + total * rng.uniform(0.25, 0.45), 0, 255), np.uint8)


def _draw_thing(
    pen: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    side: int,
    colour: tuple[int, ...] | None = None,
) -> None:
    colour = colour or tuple(int(c) for c in rng.integers(0, 256, 3))
    x, y = rng.uniform(-0.1, 0.95, 2) * side
    w, h = rng.uniform(0.05, 0.4, 2) * side
    shape = rng.integers(4)
    if shape == 0:
        pen.ellipse((x, y, x + w, y + h), fill=colour)
    elif shape == 1:
        pen.rectangle((x, y, x + w, y + h), fill=colour)
    elif shape == 2:
        corners = [(x + w * a, y + h * b) for a, b in rng.uniform(0, 1, (5, 2))]
        pen.polygon(corners, fill=colour)
    else:
        pen.line((x, y, x + w * 2, y + h * 2), fill=colour, width=int(rng.integers(2, 14)))


def save_as(picture: Picture, form: str, **options: int) -> Picture:
    """The picture as it comes back from a file of that form."""
    kept = io.BytesIO()
    picture.save(kept, form, **options)
    with Image.open(kept) as opened:
        return opened.convert("RGB")


def crop_by(share: float) -> Change:
    """Cuts away that share of each side, at a place drawn at random, and keeps the size of the image."""

    def change(picture: Picture, rng: np.random.Generator) -> Picture:
        width, height = picture.size
        w, h = round(width * (1 - share)), round(height * (1 - share))
        left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
        return picture.crop((left, top, left + w, top + h)).resize(picture.size, Image.Resampling.LANCZOS)

    return change


def _shift_colours(picture: Picture, rng: np.random.Generator) -> Picture:
    gains, moved = rng.uniform(0.8, 1.2, 3), rng.uniform(-20, 20, 3)
    return Image.fromarray(np.clip(np.asarray(picture) * gains + moved, 0, 255).astype(np.uint8))


def _mark(picture: Picture, rng: np.random.Generator) -> Picture:
    """A half-transparent line of words over a place in the image."""
    marked = picture.convert("RGBA")
    sheet = Image.new("RGBA", picture.size)
    pen = ImageDraw.Draw(sheet)
    x, y = rng.uniform(0.02, 0.4) * picture.width, rng.uniform(0.05, 0.85) * picture.height
    pen.text((x, y), "SAMPLE stock.example", fill=(255, 255, 255, 150), font_size=picture.height / 12)
    return Image.alpha_composite(marked, sheet).convert("RGB")


def _brighten(picture: Picture, rng: np.random.Generator) -> Picture:
    gamma = float(rng.choice([0.6, 0.75, 1.4, 1.7]))
    table = [round(255 * (v / 255) ** gamma) for v in range(256)] * 3
    return picture.point(table)


def _noise(picture: Picture, rng: np.random.Generator) -> Picture:
    noisy = np.asarray(picture) + rng.normal(0, 10, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _transpose(how: Image.Transpose) -> Change:
    return lambda picture, _: picture.transpose(how)


PROMISED: Mapping[str, Change] = {
    "jpeg_30": lambda picture, _: save_as(picture, "JPEG", quality=30),
    "webp_50": lambda picture, _: save_as(picture, "WEBP", quality=50),
    "half_size": lambda picture, _: picture.resize((picture.width // 2, picture.height // 2)),
    "mirrored": _transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside_down": _transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "turned_90": _transpose(Image.Transpose.ROTATE_90),
    "turned_270": _transpose(Image.Transpose.ROTATE_270),
    "crop_5": crop_by(0.05),
    "crop_10": crop_by(0.10),
    "crop_20": crop_by(0.20),
    "colour_shift": _shift_colours,
    "gamma": _brighten,
    "grey": lambda picture, _: picture.convert("L").convert("RGB"),
    "watermark": _mark,
    "blurred": lambda picture, _: picture.filter(ImageFilter.GaussianBlur(picture.width / 256)),
    "noise": _noise,
    "contrast": lambda picture, _: ImageEnhance.Contrast(picture).enhance(0.6),
}
"""What docs/imagery.md promises that `image_duplicates` finds."""


def _mirror_crop_jpeg(picture: Picture, rng: np.random.Generator) -> Picture:
    turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return save_as(crop_by(0.1)(turned, rng), "JPEG", quality=50)


UNPROMISED: Mapping[str, Change] = {
    "mirrored_crop_10_jpeg_50": _mirror_crop_jpeg,
    "crop_35": crop_by(0.35),
    "rotated_5_degrees": lambda picture, _: picture.rotate(5, Image.Resampling.BICUBIC),
    "inverted": lambda picture, _: Image.eval(picture, lambda v: 255 - v),
}
"""What is measured beside it."""
