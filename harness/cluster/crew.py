"""Workers on every node of a cluster, and work that is dealt to them.

Ray starts the workers again and says when one is lost. A call is never repeated by Ray: what was
lost goes back to the deck, so that it may be dealt to another node, or cut.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from harness.cluster.deck import Card, Deck
from harness.cluster.session import Cluster, Node
from harness.errors import HarnessError

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Between two looks for nodes that have joined."""
WAIT_SECONDS = 300
"""How long a run waits while no worker at all can be dealt to."""
PATIENCE_SECONDS = 60
"""How long a part that one node has lost waits for another that is still starting."""
STARTS = 3
"""How often a worker may end before it is ready once."""

Part = TypeVar("Part")
Answer = TypeVar("Answer")


class Worker(Protocol):
    """What works on a node, in a process of its own."""

    def about(self) -> Any:
        """What must be known of it before it gets work; a HarnessError means that it cannot."""

    def work(self, part: Any) -> Any:
        """A part's answer."""


@dataclass(frozen=True, kw_only=True)
class Seats:
    """How many workers a node gets: one for each so many cores, or each GPU.

    Args:
        cores: of a worker.
        gpu: whether each needs a GPU of its own.
    """

    cores: int
    gpu: bool = False

    def total(self, nodes: Iterable[Node]) -> int:
        """Workers of all of them."""
        return sum(map(self.on, nodes))

    def on(self, node: Node) -> int:
        """Workers of a node; a node with fewer cores than a worker should have gets one."""
        return node.gpus if self.gpu else max(1, node.cores // self.cores) * bool(node.cores)

    def cores_on(self, node: Node) -> int:
        """Cores of each worker there."""
        return max(1, min(self.cores, node.cores // max(1, self.on(node))))


@dataclass(frozen=True, kw_only=True)
class Dealt(Generic[Part, Answer]):
    """What became of a part.

    Args:
        part: as dealt.
        node: the last that had it.
        about: what its worker said of itself.
        answer: None where there is an error.
        error: what the work raised, or that the part was given up.
        lost: how often its worker ended.
    """

    part: Part
    node: Node
    about: Any = None
    answer: Answer | None = None
    error: HarnessError | None = None
    lost: int = 0


class UnfitNodeError(HarnessError):
    """Raised by a worker: this node must get no work. Its part is dealt to another."""


class LostError(HarnessError):
    """Whoever works on this ends: a kill by the system, for want of memory as a rule."""


@dataclass(eq=False)
class _Hand:
    """A worker as the driver sees it: what it is doing, None where it is idle."""

    node: Node
    actor: Any
    call: Any = None
    card: Card[Any] | None = None
    starting: bool = True
    about: Any = None
    failures: int = 0
    is_ready: bool = False


@dataclass(eq=False)
class Crew:
    """The workers of a run.

    Args:
        cluster: where.
        make: builds a worker, on its node.
        seats: how many.
        accept: why a worker that has said what it is may not work, "" where it may.

    Attributes:
        lost: parts that were lost with their worker, and dealt again or given up.
        refused: node -> why it gets no work.
    """

    cluster: Cluster
    make: Callable[[], Worker]
    seats: Seats
    accept: Callable[[Node, Any], str] = lambda node, about: ""
    lost: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    _hands: list[_Hand] = field(default_factory=list)
    _hired: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Crew:
        self._hire()
        return self

    def __exit__(self, *_: object) -> None:
        for hand in list(self._hands):
            self._dismiss(hand)

    def deal(self, deck: Deck[Part]) -> Iterator[Dealt[Part, Any]]:
        """Each part's outcome, as they come; ends when the deck is empty and all are back.

        Raises:
            HarnessError: every node is refused, or none can be dealt to for :data:`WAIT_SECONDS`.
        """
        ray = self.cluster.ray
        idle_since = time.monotonic()
        while True:
            idle = time.monotonic() - idle_since
            self._deal_out(deck, self._living(idle))
            calls = {hand.call: hand for hand in self._hands if hand.call is not None}
            working = any(hand.card is not None for hand in calls.values())
            free = any(hand.call is None for hand in self._hands)
            if free and not working and not deck.returned:
                return  # somebody is idle, nobody works: there was nothing left to take
            if not self._hands:
                raise self._nobody()
            if working:
                idle_since = time.monotonic()
            elif idle > WAIT_SECONDS:
                raise HarnessError(
                    f"no worker is ready within {WAIT_SECONDS} s: the cluster's cores are taken, "
                    "or its nodes are gone",
                    hint="`ray status` says what is free; run the same command again to go on",
                )
            back, _ = ray.wait(list(calls), num_returns=1, timeout=POLL_SECONDS)
            for call in back:
                if calls[call] in self._hands:  # not ended meanwhile with its node
                    yield from self._returned(calls[call], deck)
            self._hire()

    def _living(self, idle: float) -> set[str]:
        """Nodes that can be dealt to, or will be soon."""
        return {
            hand.node.id
            for hand in self._hands
            if hand.is_ready or (not hand.failures and idle < PATIENCE_SECONDS)
        }

    def _deal_out(self, deck: Deck[Part], living: set[str]) -> None:
        for hand in self._hands:
            if hand.call is not None:
                continue
            card = deck.take(hand.node.id, living)
            if card is None:
                continue
            hand.card, hand.call = card, hand.actor.work.remote(card.part)

    def _returned(self, hand: _Hand, deck: Deck[Part]) -> Iterator[Dealt[Part, Any]]:
        """What a finished call means: an outcome, or none."""
        ray = self.cluster.ray
        call, card = hand.call, hand.card
        hand.call = hand.card = None
        try:
            answer, error = ray.get(call)
        except ray.exceptions.RayError as failure:
            ended = _reason(failure)
            if card is not None:
                yield from self._lost(hand, card, deck, ended)
            self._restart(hand, ended, deck)
            return
        if hand.starting:
            hand.starting = False
            hand.call = hand.actor.ready.remote()
        elif card is None:
            self._is_ready(hand, answer, error, deck)
        elif isinstance(error, UnfitNodeError):
            deck.put_back(card)
            self._refuse(hand, error.message, deck)
        elif isinstance(error, MemoryError):
            yield from self._lost(hand, card, deck, "it has no memory for it")
        else:
            if error is not None and not isinstance(error, HarnessError):
                error = HarnessError(f"{type(error).__name__}: {error} (on {hand.node.name})")
            yield Dealt(
                part=card.part,
                node=hand.node,
                about=hand.about,
                answer=answer,
                error=error,
                lost=card.lost,
            )

    def _lost(
        self, hand: _Hand, card: Card[Part], deck: Deck[Part], ended: str
    ) -> Iterator[Dealt[Part, Any]]:
        self.lost += 1
        if not deck.give_back(card, hand.node.id):
            error = LostError(
                f"the worker ended {card.lost} times on it, the last time on {hand.node.name}: "
                f"{ended}"
            )
            yield Dealt(part=card.part, node=hand.node, error=error, lost=card.lost)

    def _restart(self, hand: _Hand, ended: str, deck: Deck[Any]) -> None:
        """Waits for Ray to start a worker again whose call was lost."""
        hand.failures += 1
        if hand.starting or hand.node.id not in {node.id for node in self.cluster.nodes()}:
            log.warning("a worker on node %s is gone: %s", hand.node.name, ended)
            self._dismiss(hand)
        elif hand.failures > STARTS:
            self._refuse(hand, f"its worker ends before it is ready: {ended}", deck)
        else:
            self._start(hand)

    def _start(self, hand: _Hand) -> None:
        # Repeated by Ray until the process is there: that it is not yet counts as a failure. What
        # may end the process, building the detectors, is another call, which is not repeated.
        hand.starting, hand.is_ready = True, False
        hand.call = hand.actor.is_there.options(max_task_retries=-1).remote()

    def _is_ready(self, hand: _Hand, about: Any, error: Exception | None, deck: Deck[Any]) -> None:
        hand.failures = 0
        hand.is_ready = True
        hand.about = about
        if error is not None:
            reason = error.message if isinstance(error, HarnessError) else "it has no memory"
        else:
            reason = self.accept(hand.node, about)
        if reason:
            self._refuse(hand, reason, deck)

    def _refuse(self, hand: _Hand, reason: str, deck: Deck[Any]) -> None:
        """Ends every worker of a node; what they had in hand is dealt to others."""
        if hand.node.id not in self.refused:
            self.refused[hand.node.id] = f"node {hand.node.name} gets no work: {reason}"
            log.warning("%s", self.refused[hand.node.id])
        for each in [other for other in self._hands if other.node.id == hand.node.id]:
            if each.card is not None:
                deck.put_back(each.card)
            self._dismiss(each)

    def _dismiss(self, hand: _Hand) -> None:
        self._hands.remove(hand)
        self.cluster.ray.kill(hand.actor, no_restart=True)

    def _hire(self) -> None:
        """Workers for nodes that have none yet; nodes may join at any time."""
        for node in self.cluster.nodes():
            if node.id in self._hired:
                continue
            self._hired[node.id] = self.seats.on(node)
            self._hands += [self._hand(node) for _ in range(self._hired[node.id])]

    def _hand(self, node: Node) -> _Hand:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor = self.cluster.ray.remote(_Actor).options(
            num_cpus=self.seats.cores_on(node),
            num_gpus=int(self.seats.gpu),
            max_restarts=-1,
            max_task_retries=0,
            # A worker stays where it was found to be in order.
            scheduling_strategy=NodeAffinitySchedulingStrategy(node_id=node.id, soft=False),
        )
        hand = _Hand(node, actor.remote(self.make))
        self._start(hand)
        return hand

    def _nobody(self) -> HarnessError:
        if not self.refused:
            what = "a GPU" if self.seats.gpu else "a core"
            return HarnessError(
                f"the cluster has no node with {what} for a worker",
                hint="`ray status` lists what it has",
            )
        return HarnessError(
            "no node of the cluster can be used:\n" + "\n".join(self.refused.values()),
            hint="make them as this machine is, or leave out --ray",
        )


class _Actor:
    """The process on a node. The worker is built by the first call, which can say what fails."""

    def __init__(self, make: Callable[[], Worker]) -> None:
        self._make = make
        self._worker: Worker | None = None

    def is_there(self) -> tuple[None, None]:
        return None, None

    def ready(self) -> tuple[Any, Exception | None]:
        try:
            if self._worker is None:
                self._worker = self._make()
            return self._worker.about(), None
        except Exception as error:
            return None, _sendable(error)

    def work(self, part: Any) -> tuple[Any, Exception | None]:
        try:
            # A restarted one gets no work before it was asked whether it is ready.
            assert self._worker is not None
            return self._worker.work(part), None
        except Exception as error:
            return None, _sendable(error)


def _sendable(error: Exception) -> Exception:
    """An error that the driver can read; classes of libraries may be none."""
    if isinstance(error, (HarnessError, MemoryError)):
        return error
    return HarnessError(f"{type(error).__name__}: {error}")


def _reason(failure: Exception) -> str:
    """Why Ray lost a call, in one line."""
    text = str(failure)
    if "OutOfMemory" in type(failure).__name__ or "OOM" in text.split("Some common causes")[0]:
        return "its node was out of memory"
    return {
        "ActorUnavailableError": "its process ended",
        "NodeDiedError": "its node is gone",
    }.get(type(failure).__name__, "its process ended")


class _Calls:
    """A function as a worker."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def about(self) -> None:
        return None

    def work(self, part: Any) -> Any:
        return self.function(part)


def deal(
    cluster: Cluster, function: Callable[[Part], Answer], parts: Iterable[Part], seats: Seats
) -> Iterator[Dealt[Part, Answer]]:
    """``function`` of every part, somewhere on the cluster, in the order in which they end.

    Args:
        cluster: where.
        function: a module's own function (or a partial of one): it is called in processes of the
            nodes, with this run's ``LFM_*`` variables.
        parts: read as workers are free. One whose worker ends three times is given up.
        seats: how many at a time.
    """
    with Crew(cluster, lambda: _Calls(function), seats) as crew:
        yield from crew.deal(Deck(iter(parts), lambda part: [part]))
