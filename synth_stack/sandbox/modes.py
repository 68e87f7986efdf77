"""How the tests of a run are run; the first byte of what is sent to their process."""

REAL, FAILING, NEGATED = b"r", b"f", b"n"
"""As they are, with a failure after their end, and with every assert turned round."""
