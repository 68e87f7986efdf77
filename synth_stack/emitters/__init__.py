"""Figures and root of a judged run, told to trackers of experiments and of lineage."""
