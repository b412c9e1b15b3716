"""Sending to the carriers: channels, their links, and the agent that sends over them."""
