"""Files that people write: what is wrong in them and what is possible there; YAML loaded safely."""
