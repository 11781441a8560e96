"""Sets of columns: those that several streams share, and those of streams with many."""
