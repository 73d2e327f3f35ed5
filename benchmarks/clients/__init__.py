"""Clients beside their peers, over a line that is as slow as people's lines are."""
