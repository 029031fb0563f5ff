"""The Rust engine's public face: `commands` go in, `events` come out, `views` name its rows."""

from . import commands, events, views

__all__ = ["commands", "events", "views"]
