"""The pytest plugin: fixtures for tests of cab plugins."""
