"""The way from other processes to the match server: commands, questions, and each answer exactly once."""
