"""The mistakes of a person that the batch client can name; they end it with exit code 2."""


class UsageError(ValueError):
    """A setting or an argument cannot be; the message names it and the remedy."""


class SourceError(UsageError):
    """The source cannot be read."""
