"""Translations of what slices hold, checked by a way back."""
