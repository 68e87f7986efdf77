"""The parts of the dedup gate: prints of rows, who meets whom, who stays, and earlier packs."""
