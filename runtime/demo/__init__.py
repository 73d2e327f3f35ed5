"""The demo: the picture that is shipped, its depth, the plan of zooms into it, and the command."""
