"""Answers to adversarial prompts do what their rows expect."""
