"""The report as a page (pure)."""
