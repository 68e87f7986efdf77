"""The page that verifies a pack in a browser: one HTML file without a network, and how it is put together."""
