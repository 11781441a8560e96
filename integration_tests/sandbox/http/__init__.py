"""The HTTP side: endpoints, pages, limits, export jobs, and what goes over the wire."""
