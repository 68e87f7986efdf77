"""Cited formulas: intervals and apportionment."""
