"""NeMo Curator's own near-duplicates as a gate: hashes on a GPU, and one row of each chain is kept."""
