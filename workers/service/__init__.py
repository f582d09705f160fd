"""The service: scoring workers, and the writer of the series, between the bus and Redis. Imports no torch."""
