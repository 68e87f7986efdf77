"""The HTML page of a judged batch, and nothing else."""
