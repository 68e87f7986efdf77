"""Diffusion pipelines: their weights checked, loaded on a device, and asked for images."""
