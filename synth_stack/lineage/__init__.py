"""One record per generated row, one Merkle tree per batch, one signature over its root.

`record` says what is known of a row, `tree` turns the records into one root and proves single rows
against it, `sign` and `transparency` sign that root, `verify` finds what was changed afterwards.
"""
