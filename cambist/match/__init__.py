"""The match server: the only writer of the log and the only caller of the engine."""
