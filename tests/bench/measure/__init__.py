"""What `tests/bench/run` measures with."""
