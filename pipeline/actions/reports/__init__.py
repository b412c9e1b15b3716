"""Reports for departments, regulators and billing: SQL files over one set of facts, written as HTML and csv."""
