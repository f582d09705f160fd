"""The charts of quality: what the live page loads from the server, and a report carries in itself."""
