"""What came back from the workers, and what it means: numbers, books, checks, verdict, report (pure)."""
