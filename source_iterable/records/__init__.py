"""Parsing of downloaded rows and conversion to records, without HTTP or state."""
