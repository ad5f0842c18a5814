"""GitHub Actions: what the runner gives us (inputs) and what it takes (runner, annotations, outputs, comment)."""
