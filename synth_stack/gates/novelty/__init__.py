"""New instructions: their words, ROUGE-L, and the pool that grows."""
