"""Anti-spam pipeline for text messages."""
