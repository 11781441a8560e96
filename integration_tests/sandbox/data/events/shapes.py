"""The shapes of event rows: which fields a row does without, and how its nested ones are sent."""

from integration_tests.sandbox.data.rows import Row

FULL = 0
"""The number of the row of each table in which every field is filled."""
SHAPES = 16
"""Rows of a table differ in which fields they have; the shapes repeat after this many."""
NESTED, DOTTED, BARE, NULLS, PLAIN, NO_EMAIL, NULL_EMAIL = range(7)
MIXED = 12


def in_objects(row: Row, number: int) -> Row:
    """A row with dotted fields, as Iterable may send it.

    Every other row has them in objects, one shape has the first of them outside; in one all objects are null.
    """
    dotted = [name for name in row if "." in name]
    shape = number % SHAPES
    if not dotted or (shape % 2 and shape != NULLS):
        return row
    sent = dict(row)
    for name in dotted[1:] if shape == MIXED else dotted:
        parent, _, key = name.partition(".")
        value = sent.pop(name)
        if shape == NULLS:
            sent[parent] = None
        else:
            sent.setdefault(parent, {})[key] = value
    return sent
