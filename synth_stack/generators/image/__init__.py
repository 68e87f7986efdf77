"""Images made by a diffusion teacher, from prompts and, where a recipe names some, conditions."""
