"""What an SMS carries: alphabets, user data headers, parts of long messages, TPDUs, WAP push. Pure."""
