"""What a reviewer makes from a case: forms filled in by the address, with a dry run over the last day."""
