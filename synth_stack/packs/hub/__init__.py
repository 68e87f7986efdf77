"""Packs on the Hugging Face Hub, or on a server that speaks like it: sent, and fetched again."""
