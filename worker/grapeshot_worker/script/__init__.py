"""What the author wrote: from YAML to a TestScript (pure)."""
