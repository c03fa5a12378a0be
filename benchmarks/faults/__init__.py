"""What a run survives: each row is a kind of fault, tried on real commands and files."""
