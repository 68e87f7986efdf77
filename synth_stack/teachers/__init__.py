"""Teachers: the language models that answer, each as a distilabel LLM.

Importing this package registers them by name; distilabel itself is imported when one is made.
"""

from synth_stack.teachers import batch, diffusion, embedded, http, scripted, vllm

__all__ = ["batch", "diffusion", "embedded", "http", "scripted", "vllm"]
