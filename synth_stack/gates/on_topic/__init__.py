"""On topic: whether a row belongs to its slice, and whether its answer answers its question."""
