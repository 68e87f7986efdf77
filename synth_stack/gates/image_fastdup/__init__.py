"""fastdup, of an environment of its own, as a gate: what it says of copies, outliers and quality."""
