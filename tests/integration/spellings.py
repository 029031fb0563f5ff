"""What a proxy, a router or a file system may take for a path, made of the paths that the documents name."""

from collections.abc import Iterator

_METHODS = {"get", "post", "put", "delete"}


def operations(document: dict[str, object]) -> list[tuple[str, str]]:
    """Method and path of every operation of an OpenAPI document."""
    paths = document["paths"]
    assert isinstance(paths, dict)
    return [
        (method.upper(), path) for path, methods in paths.items() for method in methods if method in _METHODS
    ]


def other_spellings(path: str) -> Iterator[str]:
    """The last word of the path that is not an id is what is written otherwise."""
    words = path.replace("{id}", "1").split("/")
    place = max(number for number, word in enumerate(path.split("/")) if word != "{id}")
    before, word = "/".join(words[:place]), words[place]
    after = "".join(f"/{each}" for each in words[place + 1 :])
    yield f"{before}/{word}{after}/"
    yield f"{before}//{word}{after}"
    yield f"{before}/x/..;/{word}{after}"
    yield f"{before}/%2e/{word}{after}"
    yield f"{before}/x/%2e%2e/{word}{after}"
    yield f"{before}%2f{word}{after}"
    yield f"{before}%5c{word}{after}"
    yield f"{before}/%{ord(word[0]):02x}{word[1:]}{after}"
    for end in (";a=b", "%00", "%20", ".json", "%2f"):
        yield f"{before}/{word}{end}{after}"
    yield f"{before}/{word[0].upper()}{word[1:]}{after}"
    yield f"{before.upper()}/{word}{after}"
