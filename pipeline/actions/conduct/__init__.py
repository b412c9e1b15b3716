"""The conduct of ports and numbers: suspension, list entries, the black list file."""
