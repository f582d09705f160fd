"""How video becomes clips, and scores become series, incidents and advice. Runs on the CPU; never imports torch."""
