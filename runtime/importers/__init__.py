"""What other programs made, made into worlds: files read within bounds, a view that sees them, nodes."""
