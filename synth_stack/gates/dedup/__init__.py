"""Near-duplicates by word overlap: signatures, band collisions, which rows are kept, and earlier packs."""
