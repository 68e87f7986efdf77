"""Questions about documents: answered with the words that say so, and read once more."""
