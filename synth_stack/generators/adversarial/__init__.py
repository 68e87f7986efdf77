"""What adversarial rows are made of: published strategies, and the steps that put them together."""
