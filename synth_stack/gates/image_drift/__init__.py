"""Images that are distributed otherwise, or less variously, than the real ones that they are to stand for."""
