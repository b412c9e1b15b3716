"""What a verdict causes."""
