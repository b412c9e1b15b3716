"""The local clock: the calendar of holidays, and the review hours."""
