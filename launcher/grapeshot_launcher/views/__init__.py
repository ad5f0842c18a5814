"""How a plan, a run and its report are shown: each view is a pure function from values to text."""
