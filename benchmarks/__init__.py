"""Speed, memory, growth, and what a run survives: measured by commands, not by tests."""
