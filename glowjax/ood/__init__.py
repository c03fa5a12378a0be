"""Out-of-distribution detection: scores of single images, and how well a score separates two sets."""
