"""How the tests of a run are run; the first byte of what is sent to their process."""

REAL, FAILING, NEGATED = b"r", b"f", b"n"
"""As they are, with a failure after their end, and with every assert turned round."""

NOTHING, INNER, CHANGED = b"u", b"i", b"c"
"""With functions of the solution that do nothing, with what these return doing nothing, and with other
results than they gave. For JavaScript alone, whose sources are not changed here."""
