"""The same thing said in other words: embeddings, clusters of them, and the nearest kept row."""
