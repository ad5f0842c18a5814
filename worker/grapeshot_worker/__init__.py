"""Grapeshot's engine: makes the load, shares it exactly, measures it truly. Importing it has no effect."""

__version__ = "0.1.0"
