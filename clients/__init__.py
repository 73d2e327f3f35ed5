"""Programs that look at a world."""
