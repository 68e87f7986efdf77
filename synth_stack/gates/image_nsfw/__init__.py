"""Pornographic images, by a packaged model."""
