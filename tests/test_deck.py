"""Parts that are lost: dealt again, elsewhere, cut, and in the end given up."""

from __future__ import annotations

from collections.abc import Sequence

from harness.cluster.deck import Deck

Images = tuple[int, ...]


def halves(part: Images) -> Sequence[Images]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]] if middle else [part]


def test_a_lost_part_goes_to_another_node_first() -> None:
    deck = Deck(iter([(1, 2), (3, 4)]), halves)
    card = deck.take("a")
    assert card is not None
    assert deck.give_back(card, "a")
    other = deck.take("a", ["a", "b"])
    assert other is not None
    assert other.part == (3, 4)
    assert deck.take("a", ["a", "b"]) is None  # it is left to the one that is busy
    assert deck.take("b", ["a", "b"]) is card


def test_where_there_is_no_other_node_the_same_gets_it_again() -> None:
    deck = Deck(iter([(1,)]), halves)
    card = deck.take("a")
    assert card is not None
    assert deck.give_back(card, "a")
    assert deck.take("a", ["a"]) is card
    assert deck.take("a", ["a"]) is None


def test_what_ends_every_worker_is_found() -> None:
    """One image of 256 does: all others come through, and it alone is given up."""
    deck = Deck(iter([tuple(range(256))]), halves)
    done: list[int] = []
    lost = 0
    given_up = []
    while (card := deck.take(f"node {lost % 2}")) is not None:
        if 77 not in card.part:
            done += card.part
            continue
        if not deck.give_back(card, f"node {lost % 2}"):
            given_up.append(card.part)
        lost += 1
    assert given_up == [(77,)]
    assert sorted([*done, 77]) == list(range(256))
    assert lost <= 12


def test_a_refused_node_is_no_fault_of_its_part() -> None:
    deck = Deck(iter([(1,)]), halves)
    for _ in range(5):
        card = deck.take("a")
        assert card is not None
        deck.put_back(card)
    assert card.lost == 0
