"""The operational database: the truth about ports, lists, cases, holds, deliveries, users; outbox and audit."""
