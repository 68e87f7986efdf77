"""Conversations in which a model calls tools: asked for, called, answered, and checked."""
