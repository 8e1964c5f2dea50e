"""Captions: as trees of seven nodes, their vocabularies, and how good they are."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blurbench.captions.scores import score
    from blurbench.captions.trees import Tree, parse_caption

__all__ = ["Tree", "parse_caption", "score"]


def __getattr__(name: str) -> Any:
    """Imported when first used: the command line's help needs none of it."""
    if name in ("Tree", "parse_caption"):
        from blurbench.captions import trees

        return getattr(trees, name)
    if name == "score":
        from blurbench.captions.scores import score

        return score
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
