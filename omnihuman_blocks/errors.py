"""What can go wrong, and what it means for the money.

* OmniHumanError
  x InvalidRow      the row cannot become a job       -> rejected; costs nothing
  x CannotStart     nothing can be begun at all       -> a person mends it; costs nothing
  x Transient       not now; nothing was bought       -> ask again later
  x Refused         the vendor said no, for good      -> this row fails, the others go on
  x AccountBlocked  key, credit or ban                -> nobody buys here; rows stay as they are
  x Unreadable      an answer we do not understand    -> treated as an answer that was lost
  x InDoubt         we may have paid                  -> not bought again; looked for, or held
  x BadDelivery     the file is not what was bought   -> fetched again, never bought again
  x OverBudget      the cap does not allow it         -> stays as it is until the cap is raised

The class is the decision: nothing in this package looks into a message to find out what to do.
A message says what happened, where, and what to do next, and never contains a key.
"""

from __future__ import annotations


class OmniHumanError(Exception):
    """Every error of this package. Arguments only, so that it crosses process borders unchanged."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class InvalidRow(OmniHumanError):
    """The row cannot become a job. `column` names the cell to mend, where there is one."""

    def __init__(self, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.args = (message, column)
        self.column = column


class CannotStart(OmniHumanError):
    """Nothing can be begun: a bad table, a missing key, an unusable option."""


class Transient(OmniHumanError):
    """Not now, and nothing was bought. `retry_after` is the vendor's own wish in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.args = (message, retry_after)
        self.retry_after = retry_after


class Refused(OmniHumanError):
    """The vendor said no to this job, and would say it again. `code` is the vendor's own word."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.args = (message, code)
        self.code = code


class AccountBlocked(OmniHumanError):
    """The vendor will sell nothing to this key until a person acts."""


class Unreadable(OmniHumanError):
    """The vendor answered something that we do not understand."""


class InDoubt(OmniHumanError):
    """A purchase was sent and its answer was lost: it may have been bought."""


class BadDelivery(OmniHumanError):
    """The file did not arrive whole, or is not the video that was asked for."""


class OverBudget(OmniHumanError):
    """Buying this would go over a cap."""
