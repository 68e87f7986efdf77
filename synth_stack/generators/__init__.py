"""Generators: distilabel pipelines that turn a plan of items into candidate rows.

Importing this package registers them by name; distilabel itself is imported when one is built.
"""

from synth_stack.generators import instruction

__all__ = ["instruction"]
