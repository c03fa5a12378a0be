"""Speed and memory, measured by commands not by tests."""
