"""The commands of `antispam` by subject; each calls one function of the rooms."""
