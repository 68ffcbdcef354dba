"""Everything cab ships: nine strategies, six risk rules, three macro sources, broker and notifier."""
