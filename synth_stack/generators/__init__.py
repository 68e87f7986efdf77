"""Generators: distilabel pipelines that turn a plan of items into candidate rows.

Importing this package registers them by name; distilabel itself is imported when one is built.
"""

from synth_stack.generators import code, instruction

__all__ = ["code", "instruction"]
