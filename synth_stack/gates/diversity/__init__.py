"""Diversity and mode collapse: groups of rows that say one thing again and again."""
