"""What a plugin author gets: conformance suites, market fixtures and fakes."""
