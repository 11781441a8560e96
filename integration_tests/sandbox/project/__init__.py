"""The state of one project: its clock, its options, its rows, and what changes them. It knows no HTTP."""
