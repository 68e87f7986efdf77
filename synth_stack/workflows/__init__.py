"""One public verb a file: what to call in which order, and no arithmetic."""
