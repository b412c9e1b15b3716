"""Kafka: clients, topics as they should be, replay, rights, dead letters."""
