"""The suite of docs/evaluation.md: five pictures with four zooms each."""
