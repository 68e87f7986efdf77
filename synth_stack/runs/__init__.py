"""The run folder, its locks, and the one reader of a judged run."""
