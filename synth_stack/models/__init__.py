"""Local model files: pinned, checked, and only then loaded."""
