"""What decides besides the text itself: policy, counters, ports, lists, dictionary. Pure."""
