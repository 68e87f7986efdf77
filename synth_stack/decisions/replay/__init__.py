"""Deciding again from stored scores, under another gate file.

gate_changes   the new gate file against the gates that judged: what may change, and what may not
redecide       what one gate said, says now, and would say at other thresholds
outcomes       what becomes of every row, and how many rows each threshold lets through
summary        counts, changed rows, curves and caveats
result         what a replay says
replay         the whole of it
"""
