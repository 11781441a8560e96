"""The endpoints, each a class with its routes: the patterns of paths, and what answers them."""
