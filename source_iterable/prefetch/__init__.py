"""The engine that downloads ahead of the reader; it knows no stream and no HTTP."""
