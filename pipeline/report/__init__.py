"""What a person or a file gets from scores: summaries, a table, formats for machines, and an HTML page."""
