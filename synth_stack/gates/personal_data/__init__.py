"""Personal data: what it looks like by kind, where it stands in a table, and copies of rows without it."""
