"""`make docs`: what the documentation shows is made from the code, so that it cannot say anything else."""
