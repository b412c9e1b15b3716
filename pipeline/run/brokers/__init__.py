"""Brokers as child processes: the embedded one and one node of Apache Kafka."""
