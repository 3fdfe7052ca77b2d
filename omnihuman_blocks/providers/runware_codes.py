"""One of Runware's error codes -> what it means for the money.

The vendor publishes no catalogue and says that its codes are still moving. The words and the
order of the rules follow what its own client sorts by (`runware-sdk` 1.8.0, `errors.py`, read on
2026-11-20), with one difference: a time-out is known however its name is written, because the
documentation's own `timeoutProvider` falls through that client's rules.
"""

from __future__ import annotations

from enum import StrEnum


class Meaning(StrEnum):
    """What a code says about the task that it is given for."""

    ACCEPTED = "accepted"
    """This task is there already."""
    KEY = "key"
    CREDIT = "credit"
    BUSY = "busy"
    UNSEEN = "unseen"
    """Not there, or not shown: the vendor does not tell the two apart."""
    REFUSED = "refused"
    SHAKY = "shaky"
    """Something broke behind the counter; trying again may help."""
    UNKNOWN = "unknown"


ACCOUNT = frozenset({Meaning.KEY, Meaning.CREDIT})

EXACT: dict[str, Meaning] = (
    dict.fromkeys(("conflictTaskUUID", "duplicateTaskUUID"), Meaning.ACCEPTED)
    | dict.fromkeys(
        (
            "accountDisabled",
            "accountSuspended",
            "authFailed",
            "authTimeout",
            "authenticationFailed",
            "forbidden",
            "insufficientPermissions",
            "invalidAuthentication",
            "invalidCredentials",
            "missingAuthentication",
            "organizationDisabled",
            "organizationSuspended",
            "permissionDenied",
            "tokenExpired",
            "tokenInvalid",
            "tokenMissing",
            "tokenRevoked",
            "unauthorized",
            "workspaceDisabled",
            "workspaceSuspended",
        ),
        Meaning.KEY,
    )
    | dict.fromkeys(("environmentPaused", "paymentRequired"), Meaning.CREDIT)
    | dict.fromkeys(("taskFailedOrNotFound", "taskNotFound"), Meaning.UNSEEN)
    | dict.fromkeys(
        (
            "contentPolicyViolation",
            "imageBlocked",
            "incompatibleParameters",
            "moderationFailed",
            "nsfwContentDetected",
            "promptBlocked",
            "providerContentPolicyViolation",
            "sensitiveContentDetected",
            "taskCancelled",
            "unknownModel",
            "unknownParameter",
            "unsafeContentDetected",
            "validationFailed",
        ),
        Meaning.REFUSED,
    )
    | dict.fromkeys(
        (
            "defaultError",
            "downloadFailed",
            "errorRetrievingAccountManagement",
            "inferenceError",
            "internalServerError",
            "modelDisabled",
            "modelNotReady",
            "modelUnavailable",
            "noAvailableServer",
            "processingFailed",
            "serverUnavailable",
            "serviceUnavailable",
            "standardError",
            "taskFailed",
            "undefinedError",
            "unknownError",
            "unrecognizedResponse",
            "uploadFailed",
        ),
        Meaning.SHAKY,
    )
)
WITHIN = (
    ("ApiKey", Meaning.KEY),
    ("Credits", Meaning.CREDIT),
    ("Quota", Meaning.CREDIT),
    ("Balance", Meaning.CREDIT),
    ("RateLimit", Meaning.BUSY),
    ("Timeout", Meaning.SHAKY),
    ("Conflict", Meaning.REFUSED),
)
"""Looked for in any letter case, in this order."""
AT_THE_END = (("NotFound", Meaning.REFUSED), ("Expired", Meaning.REFUSED))
AT_THE_START = (
    ("provider", Meaning.SHAKY),
    *((word, Meaning.REFUSED) for word in ("invalid", "missing", "duplicate", "unsupported")),
    *((word, Meaning.REFUSED) for word in ("value", "array", "max")),
)


def meaning(code: str | None) -> Meaning:
    """What a code means; the first rule that knows it decides."""
    if code is None:
        return Meaning.UNKNOWN
    if code in EXACT:
        return EXACT[code]
    for word, within in WITHIN:
        if word.casefold() in code.casefold():
            return within
    for word, at_end in AT_THE_END:
        if code.endswith(word):
            return at_end
    for word, at_start in AT_THE_START:
        if code.startswith(word):
            return at_start
    return Meaning.UNKNOWN
