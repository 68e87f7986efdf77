"""A campaign on an Argilla server: what is sent there, what is read back, and how the server is asked."""
