"""Caching (RFC 9111) as plain decisions: what may be stored, how long it is fresh, how old it is."""
