"""The tools of a parcel desk. They are read by their signatures, and run in the sandbox alone."""

_ZONES = {"lisbon": 3, "ghent": 1, "oslo": 4, "lyon": 2, "krakow": 2, "valletta": 5}
_BASE = {1: 4.5, 2: 6.0, 3: 7.5, 4: 9.0, 5: 12.0}
_SHOPS = {
    "ghent": [{"shop": "GH-1", "street": "Brugstraat 4"}, {"shop": "GH-2", "street": "Kouter 18"}],
    "lyon": [{"shop": "LY-1", "street": "Rue Mercière 9"}],
    "oslo": [{"shop": "OS-1", "street": "Storgata 31"}],
}
_HOURS = {"GH-1": ["08:30", "18:00"], "GH-2": ["10:00", "20:00"], "LY-1": ["09:00", "19:00"]}


def find_zone(city: str) -> dict[str, str | int]:
    """The delivery zone of a city, 1 to 5.

    Args:
        city: Its name in English, without the country.
    """
    return {"city": city, "zone": _ZONES[city.strip().lower()]}


def quote_price(weight_kg: float, zone: int, express: bool = False) -> dict[str, float]:
    """The price of a parcel in euros.

    Args:
        weight_kg: Its weight in kilograms, more than 0 and at most 30.
        zone: The delivery zone, 1 to 5, as find_zone gives it.
        express: Whether it has to arrive on the next working day.
    """
    if not 0 < weight_kg <= 30:
        raise ValueError("a parcel weighs more than 0 and at most 30 kilograms")
    price = _BASE[zone] + 0.8 * weight_kg
    return {"euros": round(price * (1.6 if express else 1.0), 2), "days": 1 if express else 1 + zone}


def list_shops(city: str) -> list[dict[str, str]]:
    """The parcel shops of a city, each with its id and street.

    Args:
        city: Its name in English, without the country.
    """
    return _SHOPS.get(city.strip().lower(), [])


def read_opening_hours(shop: str) -> dict[str, str]:
    """When a parcel shop is open on working days.

    Args:
        shop: The id of the shop, as list_shops gives it.
    """
    opens, closes = _HOURS[shop]
    return {"shop": shop, "opens": opens, "closes": closes}


def track_parcel(parcel: str) -> dict[str, str]:
    """Where a parcel is.

    Args:
        parcel: Its number: two letters and six digits.
    """
    if len(parcel) != 8 or not parcel[:2].isalpha() or not parcel[2:].isdigit():
        raise ValueError("a parcel number has two letters and six digits")
    steps = ["accepted", "sorted", "on its way", "at the shop", "delivered"]
    return {"parcel": parcel, "state": steps[int(parcel[-1]) % len(steps)]}
