"""Documents that are read from memory, as from git's index: nothing is written to them."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import WriteFailed


class FrozenFiles:
    """Files given as {path below .mlruns: content}."""

    def __init__(self, content: Mapping[str, bytes]) -> None:
        self.content = content
        self.directories: dict[str, set[str]] = {}
        for path in content:
            parts = path.split("/")
            for at in range(1, len(parts)):
                self.directories.setdefault("/".join(parts[:at]), set()).add(parts[at])

    def read(self, name: str) -> bytes:
        """The content; FileNotFoundError where there is none."""
        try:
            return self.content[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def names(self, directory: str) -> list[str]:
        """The names in a directory."""
        return list(self.directories.get(directory, ()))

    def exists(self, name: str) -> bool:
        """Whether something is there."""
        return name in self.content or name in self.directories

    def create(self, name: str, data: bytes) -> bool:
        """Refuse."""
        raise WriteFailed(f"cannot write .mlruns/{name}: it is read from git's index")

    def replace(self, name: str, data: bytes) -> None:
        """Refuse."""
        raise WriteFailed(f"cannot write .mlruns/{name}: it is read from git's index")

    def move(self, name: str, target: str) -> bool:
        """Refuse."""
        raise WriteFailed(f"cannot write .mlruns/{name}: it is read from git's index")
