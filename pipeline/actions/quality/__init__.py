"""The quality of review: checks mixed into hands, figures of reviewers, the shift, and one's own verdicts."""
