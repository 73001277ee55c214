"""For tests: every port in memory, and the contracts that each version of a port must pass."""
