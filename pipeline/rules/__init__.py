"""What a verdict depends on besides the text: policy, counters, ports, lists, dictionary. Pure."""
