"""What goes wrong on request, and how it is worked into a body."""
