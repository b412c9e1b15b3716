"""Who speaks in a text: the brands that it names, signs with and speaks as. Pure."""
