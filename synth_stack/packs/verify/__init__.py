"""A pack checked by itself: files, signature, tree, records, counts."""
