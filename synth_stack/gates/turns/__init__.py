"""Dialogues: who speaks, as whom, and which facts of a persona they state."""
