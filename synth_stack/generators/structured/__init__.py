"""Texts read into JSON that fits a schema."""
