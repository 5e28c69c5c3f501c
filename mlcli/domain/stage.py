"""Stages: where a model version stands."""

from __future__ import annotations

from enum import Enum

from ..errors import UnknownStage
from .names import quoted


class Stage(str, Enum):
    """Where a version stands. Staging and Production are held by one version at a time."""

    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"

    def __str__(self) -> str:
        return self.value.capitalize()

    @property
    def exclusive(self) -> bool:
        """Whether one version at a time holds it, so that it can be asked for: iris@production."""
        return self is Stage.STAGING or self is Stage.PRODUCTION

    @classmethod
    def parse(cls, text: str) -> Stage:
        """The stage of that name in any case; UnknownStage lists the valid ones."""
        try:
            return cls(text.lower())
        except ValueError:
            raise UnknownStage(
                f"{quoted(text)} is no stage", f"stages are {', '.join(str(stage) for stage in cls)}"
            ) from None
