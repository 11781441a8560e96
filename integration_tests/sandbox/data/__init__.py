"""What the rows of a project look like, and how they are drawn from a seed; without a project, faults or HTTP."""
