import polars as pl

from synth_stack.gates.toxicity.verdicts import cut_windows


def test_windows_cover_a_message_and_overlap_by_a_fifth() -> None:
    text = "".join(chr(0x4E00 + k) for k in range(1000))
    lengths = [0, 1, 150, 151, 269, 270, 271, 1000]
    messages = pl.DataFrame(
        {"row": range(len(lengths)), "position": 0, "role": "user", "content": [text[:n] for n in lengths]}
    )
    windows = cut_windows(messages, 150)
    for k, n in enumerate(lengths):
        own = windows.filter(pl.col("row") == k)
        starts = own["start"].to_list()
        assert own["content"].to_list() == [text[:n][start : start + 150] for start in starts]
        assert starts == list(range(0, max(n - 30, 1), 120))
