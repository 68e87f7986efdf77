"""Personas as free text: read out of texts, led on to others near them, and what they would ask."""
