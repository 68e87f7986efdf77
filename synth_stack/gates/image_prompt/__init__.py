"""Whether generated images show what their prompts ask for, as a model by path sees it."""
