"""What the scripted teacher says: a pure function of prompt and seed."""

import hashlib
import random
import re


def write_reply(
    prompt: str, seed: int, rules: list[tuple[str, list[str]]], empty_share: float, repeat_share: float
) -> str:
    """The reply to `prompt` for `seed`: a pure function of its arguments."""
    name = hashlib.sha256(f"{seed}\0{prompt}".encode("utf-8", "replace")).digest()
    rng = random.Random(name)  # noqa: S311  (a script, not a secret)
    for match, replies in rules:
        if re.search(match, prompt):
            return rng.choice(replies)
    lot = rng.random()
    if lot < empty_share:
        return ""
    if lot < empty_share + repeat_share:
        return STOCK_REPLY
    return _make_up(rng)


STOCK_REPLY = (
    "Thank you for your message. We are looking into it and will write again within two working days."
)

_WHO = "I we you they customers parents neighbours tenants drivers engineers".split()
_DOES = "ordered returned lost opened moved replaced cancelled charged received checked paired reset".split()
_WHAT = """parcel lamp thermostat refund invoice camera doorbell battery password account sensor voucher cable
    label subscription bulb plug lock hub app receipt address delivery warranty""".split()
_WHEN = "yesterday|today|twice|again|on Monday|last week|this morning|in March|after midnight".split("|")
_HOW = "slowly|by mistake|without asking|at the shop|over the phone|in the rain|with a code".split("|")


def _make_up(rng: random.Random) -> str:
    words = [
        f"{rng.choice(_WHO)} {rng.choice(_DOES)} the {rng.choice(_WHAT)} {rng.choice(_WHEN)} "
        f"{rng.choice(_HOW)} and the {rng.choice(_WHAT)} was {rng.choice(_DOES)}"
        for _ in range(rng.randint(2, 4))
    ]
    return ". ".join(w[0].upper() + w[1:] for w in words) + "."
