"""Engines: where gates run. They decide nothing; the local engine is the reference for all others."""
