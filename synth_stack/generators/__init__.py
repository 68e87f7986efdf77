"""Generators: distilabel pipelines that turn a plan of items into candidate rows.

Importing this package registers them by name; distilabel itself is imported when one is built.
"""

from synth_stack.generators.adversarial import methods as adversarial
from synth_stack.generators.code import methods as code
from synth_stack.generators.dialogue import methods as dialogue
from synth_stack.generators.instruction import methods as instruction

__all__ = ["adversarial", "code", "dialogue", "instruction"]
