"""Speed, memory, growth, what a run survives, and how often intervals are right: measured by commands, not by tests."""
