"""The model: syncs, faults and changes drawn at random, and what each stream must hold after them."""
