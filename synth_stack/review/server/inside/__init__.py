"""What runs inside the environment of the Argilla server; imports nothing of this package."""
