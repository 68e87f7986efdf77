"""What dialogues are made of: the shape of a tree, the personas that ask, and the steps that grow it."""
