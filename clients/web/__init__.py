"""The page: what a browser is served, as data. Nothing here is imported."""
