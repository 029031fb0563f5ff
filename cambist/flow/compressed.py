"""Opening recorded data, whichever way it is compressed."""

import gzip
import io
from pathlib import Path
from typing import BinaryIO, cast

import zstandard


def open_binary(path: Path) -> BinaryIO:
    """The content of `path`; .zst and .gz are decompressed while reading."""
    match path.suffix:
        case ".zst":
            stream = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True)
            return io.BufferedReader(cast(io.RawIOBase, stream), 1 << 16)
        case ".gz":
            return cast(BinaryIO, gzip.open(path))
    return path.open("rb")
