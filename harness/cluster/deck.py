"""Parts of work on their way: dealt, lost with their worker, dealt again, cut, given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Part = TypeVar("Part")

CUT_AFTER, GIVE_UP_AFTER = 2, 3
"""How often a part is lost before it is cut, and before one that cannot be cut is given up."""


@dataclass
class Card(Generic[Part]):
    """A part, and how often and where it was lost."""

    part: Part
    lost: int = 0
    nodes: set[str] = field(default_factory=set)


class Deck(Generic[Part]):
    """What is still to be dealt.

    A worker ends for reasons of its own (a kill, a node that is gone) or because of an image. Only
    the second comes again, so a part that was lost twice is cut in pieces, each of which is cut
    again the next time it is lost: what remains in the end is the image.

    Args:
        fresh: parts, taken when a worker is free for one.
        cut: a part's pieces; of one that cannot be cut the part alone.
    """

    def __init__(self, fresh: Iterator[Part], cut: Callable[[Part], Sequence[Part]]) -> None:
        self._fresh = fresh
        self._cut = cut
        self._returned: deque[Card[Part]] = deque()

    def take(self, node: str, living: Collection[str] = ()) -> Card[Part] | None:
        """The next part for a node, None when there is none for it.

        Args:
            node: it gets a part again that it has lost when every living node has lost it.
            living: nodes that can be dealt to, now or when they are done with what they have.
        """
        for card in self._returned:
            if node not in card.nodes or card.nodes.issuperset(living):
                self._returned.remove(card)
                return card
        return next((Card(part) for part in self._fresh), None)

    @property
    def returned(self) -> int:
        """Parts that were lost, or put back, and are not dealt again yet."""
        return len(self._returned)

    def put_back(self, card: Card[Part]) -> None:
        """Takes back a part that nobody is to blame for."""
        self._returned.append(card)

    def give_back(self, card: Card[Part], node: str) -> bool:
        """Takes back a part whose worker ended; False when it is given up."""
        card.lost += 1
        card.nodes.add(node)
        pieces = self._cut(card.part) if card.lost >= CUT_AFTER else (card.part,)
        if len(pieces) > 1:
            again = [Card(part, CUT_AFTER - 1, set(card.nodes)) for part in pieces]
        elif card.lost >= GIVE_UP_AFTER:
            return False
        else:
            again = [card]
        self._returned.extend(again)
        return True
