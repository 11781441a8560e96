"""Iterable's HTTP API. It knows no stream."""
