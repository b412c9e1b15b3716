"""Kafka: the Faust app, the batch processor, keyed state with its changelog, the brokers."""
