"""Deciding again from stored scores, under another gate file.

plan        the new gate file against the gates that judged: what may change, and what may not
verdicts    the stored verdicts, and their gates asked to decide again
restated    what one gate said, says now, and would say at other thresholds
fates       what becomes of every row, and how many rows each threshold lets through
findings    from settled rows to counts, changed rows, curves and caveats
results     what a replay says
replayed    the whole of it
"""
