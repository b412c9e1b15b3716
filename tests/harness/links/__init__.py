"""A broker and a pipeline in memory, for links of ports."""
