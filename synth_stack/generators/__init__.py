"""Generators: distilabel pipelines that turn a plan of items into candidate rows.

Importing this package registers them by name; distilabel itself is imported when one is built.
"""

from synth_stack.generators import adversarial, code, dialogue, instruction

__all__ = ["adversarial", "code", "dialogue", "instruction"]
