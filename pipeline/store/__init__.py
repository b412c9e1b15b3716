"""The operational database: system of record for ports, lists, cases, holds, deliveries, users; outbox and audit."""
