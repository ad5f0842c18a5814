"""Grapeshot's launcher: starts, watches and reports a run. Importing it has no effect."""
