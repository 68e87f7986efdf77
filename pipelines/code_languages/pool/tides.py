"""Which boats can leave a harbour, by its tide table."""


def read_table(text):
    rows = (line.split() for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return sorted((time, float(metres)) for time, metres in rows)


def find_windows(table, draught):
    windows, start = [], None
    for time, metres in table:
        if metres >= draught and start is None:
            start = time
        elif metres < draught and start is not None:
            windows.append((start, time))
            start = None
    return windows if start is None else [*windows, (start, None)]
