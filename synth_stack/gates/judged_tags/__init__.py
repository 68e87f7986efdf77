"""What models have said of a row: difficulty, quality, kind, safety and reward."""
