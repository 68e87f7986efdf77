"""What code pairs are made of: a pool of real code, what is shown of it, and what is read from a reply."""
