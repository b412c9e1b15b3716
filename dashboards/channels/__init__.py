"""The sections of the page of channels."""
