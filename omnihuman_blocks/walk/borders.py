"""Every border that a job crosses on its walk, by name: where a process may die between two facts.

On one side of a border something is true in the world (a commit, a request, a file), on the other
side the next thing. Whoever wants to know what a death costs there kills a process at each.
"""

from __future__ import annotations

from enum import StrEnum


class Border(StrEnum):
    """In the order of the walk."""

    # Bringing media to the vendor: free, repeatable.
    BEFORE_UPLOAD = "before the upload"
    STAGED = "staged"
    """The vendor has it; we have not written down where."""
    ADDRESS_KEPT = "the address is kept"

    # Money.
    BEFORE_INTENT = "before the intent"
    AFTER_INTENT = "after the intent"
    """Committed, with its reservation."""
    BEFORE_REQUEST = "before the request"
    """The claim is still ours and the gate is open; next the request leaves."""
    AFTER_ANSWER = "after the answer"
    """The vendor has it, and nobody but this process knows its ticket."""
    AFTER_TICKET = "after the ticket"
    AFTER_NO = "after the no"
    """Turned away, refused or lost; not yet written down."""
    NO_WRITTEN = "the no is written"

    # Other people's intents, and answers that were lost.
    BEFORE_TAKEOVER = "before the takeover"
    AFTER_TAKEOVER = "after the takeover"
    BEFORE_SEARCH = "before the search"
    FOUND = "found"
    """Recovery knows a ticket; it is not written down."""
    ADOPTED = "adopted"

    # Waiting.
    BEFORE_QUESTION = "before the question"
    BEFORE_END = "before the end"
    """The vendor has said its last word; it is not written down."""
    AFTER_END = "after the end"

    # The video.
    BEFORE_DOWNLOAD = "before the download"
    AFTER_DOWNLOAD = "after the download"
    """All of it is on the disk under no name of its own, and nobody has looked at it."""
    BEFORE_RENAME = "before the rename"
    """Decoded and right."""
    BEFORE_DELIVERY = "before the delivery"
    """It has its name; that it is here is not written down."""
    AFTER_DELIVERY = "after the delivery"
    BEFORE_ANOTHER_LOOK = "before another look"
    AFTER_ANOTHER_LOOK = "after another look"
    PUT_ASIDE = "put aside"
    """The wrong file has been renamed; that it is spoiled is not written down."""
    AFTER_SPOILING = "after the spoiling"

    # From a failure to the next attempt.
    BEFORE_ATTEMPT = "before the next attempt"
    AFTER_ATTEMPT = "after the next attempt"
