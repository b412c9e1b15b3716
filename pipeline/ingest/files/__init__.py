"""Files of submissions and records: read line by line, each line accepted or kept as rejected."""
