"""Distribution drift: how far a batch has moved from a baseline of real rows, and in what."""
