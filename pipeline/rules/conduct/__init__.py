"""What ports and senders earn by what they send: the life of a port, and its tier."""
