"""Copies of images: hashes that propose pairs, an alignment that decides, and which of them stay."""
