"""What a number says by itself: the carrier of its segment, and the region in which it was given out."""
