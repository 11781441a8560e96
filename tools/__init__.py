"""Programs for those who maintain the connector: what `make` runs besides the tests."""
