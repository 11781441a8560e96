"""What tests and tools share: runs of the connector, and the oracle that knows what each stream must hold."""
