r"""One attempt to buy one job: what may follow what. All of it stands here and nowhere else.

An attempt is *open* until its intent is written down. The intent is written before the purchase
is sent, so whoever finds an attempt *intended* after a crash does not know whether the vendor has
it: it becomes *in doubt*, and only the vendor's own word (a ticket found by the room's recovery or
carried by a callback) or a person moves it on. The program never sends a second purchase for an
attempt that may have been accepted; that is what `POSTS` says and what the tests count.

A new attempt at the same job is a new walk through this table under the next number.

```
        intend            accept               finish              deliver
 OPEN ---------> INTENDED ---------> ACCEPTED ---------> READY ---------> DONE
   ^               |  |  \              |  ^               |                |
   |  turn away    |  |   \ refuse      | fail            | spoil          |
   +---------------+  |    +-----> FAILED <+               v                |
   |  lose/orphan     v                    |            SPOILED -- deliver ->|
   +------------- IN_DOUBT ----------------+               |                |
     rule out         |  adopt -> ACCEPTED  <--- look again +----------------+
```

A ticket that turns up for an attempt that is *open* (ruled out too early) is adopted, too.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from omnihuman_blocks.errors import OmniHumanError


class Stage(StrEnum):
    """Where an attempt stands."""

    OPEN = "open"
    """Nothing is written that could have bought anything."""
    INTENDED = "intended"
    """The intent is committed; a purchase may be on its way."""
    IN_DOUBT = "in_doubt"
    """It may have been bought and we hold no ticket."""
    ACCEPTED = "accepted"
    """The vendor has it and we hold its ticket."""
    READY = "ready"
    """The vendor has made the video; it is not here yet."""
    DONE = "done"
    """The video is here and was checked."""
    SPOILED = "spoiled"
    """Paid, and what was delivered is not the video that was bought."""
    FAILED = "failed"
    """There is no video and there will be none."""


class Event(StrEnum):
    """What can happen to an attempt."""

    INTEND = "intend"
    TURN_AWAY = "turn_away"
    """Provably not accepted: never sent, 429, or an account that may not buy."""
    REFUSE = "refuse"
    ACCEPT = "accept"
    LOSE = "lose"
    """The answer to the purchase was lost."""
    ORPHAN = "orphan"
    """The process that held the intent is dead."""
    ADOPT = "adopt"
    """A ticket was found by recovery, brought by a callback, or named by a person."""
    RULE_OUT = "rule_out"
    """A person, or the vendor's own word, says that it was not bought."""
    FINISH = "finish"
    FAIL = "fail"
    DELIVER = "deliver"
    SPOIL = "spoil"
    LOOK_AGAIN = "look_again"
    """Ask the vendor again for what was bought: an address expired, a file was lost."""


S, E = Stage, Event

TRANSITIONS: MappingProxyType[tuple[Stage, Event], Stage] = MappingProxyType(
    {
        (S.OPEN, E.INTEND): S.INTENDED,
        # A ticket came after all: a callback, or a person who had ruled it out too early.
        (S.OPEN, E.ADOPT): S.ACCEPTED,
        (S.INTENDED, E.TURN_AWAY): S.OPEN,
        (S.INTENDED, E.REFUSE): S.FAILED,
        (S.INTENDED, E.ACCEPT): S.ACCEPTED,
        (S.INTENDED, E.LOSE): S.IN_DOUBT,
        (S.INTENDED, E.ORPHAN): S.IN_DOUBT,
        # A callback can be faster than the answer to the purchase that it speaks of.
        (S.INTENDED, E.ADOPT): S.ACCEPTED,
        (S.IN_DOUBT, E.ADOPT): S.ACCEPTED,
        (S.IN_DOUBT, E.RULE_OUT): S.OPEN,
        # The answer that came after the callback, or after the owner was given up for dead.
        (S.IN_DOUBT, E.ACCEPT): S.ACCEPTED,
        (S.ACCEPTED, E.ACCEPT): S.ACCEPTED,
        (S.ACCEPTED, E.ADOPT): S.ACCEPTED,
        (S.ACCEPTED, E.FINISH): S.READY,
        (S.ACCEPTED, E.FAIL): S.FAILED,
        # The vendor repeats a finished job as often as it is asked.
        (S.READY, E.FINISH): S.READY,
        (S.READY, E.LOOK_AGAIN): S.ACCEPTED,
        (S.READY, E.DELIVER): S.DONE,
        (S.READY, E.SPOIL): S.SPOILED,
        # Somebody moved a threshold, and the file that was kept aside passes now.
        (S.SPOILED, E.DELIVER): S.DONE,
        (S.SPOILED, E.LOOK_AGAIN): S.ACCEPTED,
        (S.DONE, E.LOOK_AGAIN): S.ACCEPTED,
    }
)

POSTS = frozenset({Stage.INTENDED})
"""The only stage in which a purchase may be sent, and the process that wrote it sends it once."""

SETTLED = frozenset({Stage.DONE, Stage.SPOILED, Stage.FAILED})
"""Nothing more happens by itself."""

HAS_TICKET = frozenset({Stage.ACCEPTED, Stage.READY, Stage.DONE, Stage.SPOILED})


class Impossible(OmniHumanError):
    """An event that cannot happen in this stage: an error of ours, never of the vendor."""


def advance(stage: Stage, event: Event) -> Stage:
    """The stage that follows, or `Impossible`."""
    try:
        return TRANSITIONS[stage, event]
    except KeyError:
        raise Impossible(f"`{event}` cannot happen to an attempt that is `{stage}`") from None
