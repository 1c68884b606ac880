"""The version, where everything that needs it reads it."""

__version__ = "0.1.0"
