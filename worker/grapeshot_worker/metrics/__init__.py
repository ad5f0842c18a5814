"""Counting: sketches, the recorder, periods and the report they fold into."""
