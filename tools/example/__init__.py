"""The queries of docs/example/ on a replicated project, and pictures of their answers."""
