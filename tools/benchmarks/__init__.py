"""How fast the connector is: measured beside the published connectors and beside a bare loop.

`python -m tools.benchmarks --help` tells what can be measured; `make bench` measures it all.
"""
