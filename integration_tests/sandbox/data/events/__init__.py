"""The rows of the event exports, medium by medium."""
