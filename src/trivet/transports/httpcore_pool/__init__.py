"""The adapter that sends requests over a pool of httpcore, or of a library with the same interface."""
