"""A local Argilla server that starts by itself: its environment, its accounts, its process."""
