"""Why a reader refuses what it reads (docs/format.md, Versions and unknown values)."""


class Refused(Exception):
    """What is read cannot be used."""


class Damaged(Refused):
    """It is not what a writer of this format writes."""


class Unsupported(Refused):
    """A newer program is needed."""


class WrongKey(Refused):
    """The secret that was given does not open this."""


def require(condition, problem):
    """What docs/format.md says of all valid data holds here, or this is damage."""
    if not condition:
        raise Damaged(problem)
