"""The dataset card: figures, prose and Croissant of a pack."""
