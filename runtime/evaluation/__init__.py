"""Evaluation: the paper's protocol on worlds and suites of plans; scores of stored surfels, never of I_i."""
