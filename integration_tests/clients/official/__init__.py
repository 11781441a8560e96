"""Iterable's official client, npm's `@iterable/api`, reads the sandbox: ``make test-official-client``."""
