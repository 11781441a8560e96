"""Streams of events, a module for each medium; a class is what one record is, its data type and its columns."""
