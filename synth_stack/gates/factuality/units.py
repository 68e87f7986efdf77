"""Units by the words for them: what they measure, and how much of the base unit each is."""

from collections.abc import Mapping

_UNITS: Mapping[str, Mapping[str, float]] = {
    "time": {
        "s sec secs second seconds": 1, "ms millisecond milliseconds": 0.001,
        "min mins minute minutes": 60, "h hr hrs hour hours": 3600, "day days": 86400,
        "night nights": 86400, "week weeks wk wks": 7 * 86400, "fortnight fortnights": 14 * 86400,
        "month months": 30.4375 * 86400, "quarter quarters": 91.3125 * 86400,
        "year years yr yrs": 365.25 * 86400, "decade decades": 3652.5 * 86400,
        "century centuries": 36525 * 86400,
    },
    "length": {
        "mm millimetre millimetres millimeter millimeters": 0.001,
        "cm centimetre centimetres centimeter centimeters": 0.01, "m metre metres meter meters": 1,
        "km kilometre kilometres kilometer kilometers": 1000, "in inch inches": 0.0254,
        "ft foot feet": 0.3048, "yard yards yd": 0.9144, "mile miles mi": 1609.344,
    },
    "area": {"acre acres": 4046.86, "hectare hectares": 10000},
    "mass": {
        "mg": 1e-6, "g gram grams": 0.001, "kg kilo kilos kilogram kilograms": 1,
        "t tonne tonnes": 1000, "lb lbs": 0.45359237, "oz ounce ounces": 0.028349523, "ton tons": 1000,
    },
    "volume": {
        "ml millilitre millilitres": 0.001, "l litre litres liter liters": 1,
        "gallon gallons": 3.785, "pint pints": 0.568,
    },
    "data": {
        "byte bytes": 1, "kb kilobyte kilobytes": 1e3, "mb megabyte megabytes": 1e6,
        "gb gigabyte gigabytes": 1e9, "tb terabyte terabytes": 1e12, "kib": 1024, "mib": 1024**2,
        "gib": 1024**3, "bit bits": 0.125, "octet octets": 1,
    },
    "rate": {"kbps": 1e3, "mbps mbit": 1e6, "gbps gbit": 1e9},
    "frequency": {"hz": 1, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    "voltage": {"v volt volts": 1, "mv": 0.001, "kv": 1000},
    "current": {"a amp amps ampere amperes": 1, "ma": 0.001, "mah": 0.001},
    "power": {"w watt watts": 1, "kw": 1000, "va": 1, "mw": 1e6, "hp horsepower": 745.7},
    "energy": {"kwh": 1, "wh": 0.001, "calories kcal": 1},
    "share": {"% percent per\xa0cent pct percentage": 1},
    "sound": {"db decibel decibels": 1},
    "money £": {"£ gbp pound pounds quid": 1, "pence p penny": 0.01},
    "money $": {"$ usd dollar dollars bucks": 1, "cent cents": 0.01},
    "money €": {"€ eur euro euros": 1},
    "money ¥": {"¥ yen jpy": 1},
}  # fmt: skip
UNITS = {
    word: (dimension, factor)
    for dimension, units in _UNITS.items()
    for words, factor in units.items()
    for word in words.split(" ")
}
AMBIGUOUS = frozenset("s m h g t l v a w p in mi ms min".split())
"""Units that are words or letters of their own as well: units only where a digit stands before them."""
