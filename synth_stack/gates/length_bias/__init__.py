"""Comparisons whose chosen side is longer more often than a judge of quality alone would have it."""
