"""The exchange's HTTP surface: reading requests, checking them, and writing answers as Gate words them."""
