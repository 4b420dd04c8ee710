"""The test suite of the core; `tests.pebble` starts a real certificate authority."""
