"""Images that cannot be used: faults of their files and of their pixels."""
