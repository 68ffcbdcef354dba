"""The HTTP API and the pages: one Litestar application over the operator's desk."""
