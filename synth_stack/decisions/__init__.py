"""Arithmetic on stored verdicts: no text, no model."""
