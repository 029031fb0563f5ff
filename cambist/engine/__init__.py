"""The Rust engine's public face: `commands` go in, `events` come out, `views` name its rows."""

from cambist._matching import Engine, EngineBroken

from . import commands, events, views

__all__ = ["Engine", "EngineBroken", "commands", "events", "views"]
