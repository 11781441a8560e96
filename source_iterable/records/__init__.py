"""From bytes to records, without HTTP or state."""
