"""What the novelty gate is made of: words, ROUGE-L, and the pool that grows."""
