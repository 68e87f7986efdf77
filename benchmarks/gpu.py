"""What a GPU gains: rows a second of what the package does in PyTorch, on the GPU and on the CPU beside it.

    python benchmarks/gpu.py             all parts, on the GPU where there is one
    python benchmarks/gpu.py --quick     a tenth of the work

Needs torch (and transformers for the classifier) and this package; no file is read and nothing is downloaded.
The classifier has the shape of Detoxify's (BERT base: 12 layers of 768) and the embedder that of MiniLM (6
layers of 384), with random weights: speed does not depend on them. Texts are made from a seed: 20 to 120
words. Each part runs for at least SECONDS after one pass to warm up, and the whole in under 10 minutes.

The share of the device's limit is of what was measured on it just before: for the networks a product of large
matrices (2 operations a weight and token), for MinHash, which multiplies and compares 32-bit integers, these
two operations on an array that stays near. Without a GPU the CPU alone is measured, and the output says so.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch

from synth_stack.gates.dedup.lsh import choose_bands, sign_bands
from synth_stack.gates.dedup.torch_bands import sign_bands_torch
from synth_stack.models.devices import choose_device
from synth_stack.text.words import list_shingles, normalise

SECONDS = 8.0
WORDS = 8_000
TOKENS = 128
"""Of a text in a network: about what 80 words are."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Rows a second, and operations a second."""

    rows: float
    operations: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    seconds = SECONDS / 10 if options.quick else SECONDS
    place = choose_device(torch, "auto")
    name = torch.cuda.get_device_name() if place == "cuda" else "none: the CPU alone is measured"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, GPU: {name}")
    places = ["cpu"] if place == "cpu" else ["cpu", "cuda"]
    print(f"{'':22}{'device':>8}{'rows/s':>12}{'x CPU':>8}{'of its limit':>14}")
    for title, measure in (
        ("MinHash, 17 bands of 8", measure_minhash),
        ("embedder, 6 x 384", lambda on, s: measure_network(on, s, layers=6, width=384)),
        ("classifier, 12 x 768", lambda on, s: measure_network(on, s, layers=12, width=768)),
    ):
        base = None
        for on in places:
            speed, limit = measure(on, seconds)
            base = base or speed.rows
            share = speed.operations / limit
            print(f"{title:22}{on:>8}{speed.rows:12,.0f}{speed.rows / base:8.1f}{share:14.0%}", flush=True)


def measure_minhash(place: str, seconds: float) -> tuple[Speed, float]:
    """Signing sets of word 3-grams; on the CPU as the gate does it. The keys are compared bit by bit."""
    rows = 20_000
    sets = list_shingles(normalise(make_texts(rows)), 3)
    bands, height = choose_bands(0.85)
    expected = sign_bands(sets, bands, height, 42)
    if not np.array_equal(sign_bands_torch(sets, bands, height, 42, "cpu"), expected):
        raise SystemExit("torch on the CPU gives other keys than the gate")

    def sign() -> Any:
        return (
            sign_bands(sets, bands, height, 42)
            if place == "cpu"
            else sign_bands_torch(sets, bands, height, 42, "cuda")
        )

    if not np.array_equal(sign(), expected):
        raise SystemExit(f"{place} gives other keys than the gate")
    passes = repeat(sign, place, seconds)
    return Speed(passes * rows, passes * len(sets.values) * bands * height * 2), measure_integers(place)


def measure_network(place: str, seconds: float, *, layers: int, width: int) -> tuple[Speed, float]:
    """A BERT encoder over batches of texts of TOKENS tokens."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        intermediate_size=4 * width,
    )
    network = BertModel(config).to(place).eval()
    batch = 256 if place == "cuda" else 4
    ids = torch.randint(0, config.vocab_size, (batch, TOKENS), device=place)

    def embed() -> Any:
        with torch.inference_mode():
            return network(input_ids=ids).last_hidden_state

    passes = repeat(embed, place, seconds)
    weights = sum(part.numel() for part in network.encoder.parameters())
    scores = 2 * layers * TOKENS * width  # of a token with all others, and their mean
    return Speed(passes * batch, passes * batch * TOKENS * 2 * (weights + scores)), measure_matrices(place)


def measure_matrices(place: str) -> float:
    """Operations a second of a large product of matrices in the precision of the networks (float32)."""
    size = 8192 if place == "cuda" else 1024
    one, other = torch.randn(size, size, device=place), torch.randn(size, size, device=place)
    return repeat(lambda: one @ other, place, 1.0) * 2 * size**3


def measure_integers(place: str) -> float:
    """Multiplications and comparisons a second of 32-bit integers that need not be fetched each time."""
    times = 64
    if place == "cpu":  # in NumPy on one thread, as the gate does it
        numbers = np.arange(1 << 14, dtype=np.uint32)
        images = np.empty_like(numbers)

        def count() -> None:
            for factor in range(1, 2 * times, 2):
                np.multiply(numbers, np.uint32(factor), out=images)
                np.minimum(images, numbers, out=images)

        return repeat(count, place, 1.0) * len(numbers) * times * 2
    values = torch.arange(1 << 24, dtype=torch.int32, device=place)
    held = torch.zeros_like(values)

    def work() -> Any:
        for factor in range(1, 2 * times, 2):
            torch.minimum(held, values * factor, out=held)
        return held

    return repeat(work, place, 1.0) * len(values) * times * 2


def repeat(work: Callable[[], Any], place: str, seconds: float) -> float:
    """How often a second the work is done, after one pass to warm up."""
    work()
    wait(place)
    passes, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds or passes == 0:
        work()
        wait(place)
        passes += 1
    return passes / spent if spent else passes / (time.perf_counter() - began)


def wait(place: str) -> None:
    if place == "cuda":
        torch.cuda.synchronize()


def make_texts(rows: int) -> pl.Series:
    draws = np.random.default_rng(5)
    words = np.array([f"w{number:x}" for number in draws.integers(0, 1 << 40, WORDS)])
    return pl.Series(
        [" ".join(words[draws.integers(0, WORDS, draws.integers(20, 120))]) for _ in range(rows)]
    )


if __name__ == "__main__":
    main()
