"""One reader and writer a file: forms in which parts of a scene leave this package."""
