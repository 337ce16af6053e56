"""The security log: who logged in, who failed to, and what was refused."""

import logging

logger = logging.getLogger("web.security")


def security_event(event: str, message: str, *, user: str = "-", address: str = "-", level: int = logging.INFO) -> None:
    """Log an event that matters for security.

    Args:
        event: one word, the same for all events of a kind.
        message: a sentence.
        user: name of the account or the person. A name that no account has is not logged: people type passwords there.
        address: where the request came from.
        level: ``logging.WARNING`` for what was refused.
    """
    logger.log(level, message, extra={"fields": {"event": event, "user": user, "address": address}})
