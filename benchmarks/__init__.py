"""Speed and memory, measured by commands and never by timed tests."""
