"""Questions that marketing teams ask, as SQL on a replicated project, and pictures of the answers."""
