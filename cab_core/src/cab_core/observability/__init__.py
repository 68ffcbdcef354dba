"""What can be seen of a running bot: logs here, metrics and traces beside them."""
