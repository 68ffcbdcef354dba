"""From events to messages: alert, deduplication, queue by class, durable outbox, notifiers.

Trading never waits for any of it.
"""
