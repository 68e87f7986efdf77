"""Figures and root of a judged run, told to trackers of experiments (MLflow) and of lineage (OpenLineage)."""
