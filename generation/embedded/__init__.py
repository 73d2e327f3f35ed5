"""The generator that needs no weights: detail, structures and depth as functions, not as pictures."""
