"""What an operator can do about what the system refuses."""

import errno

MENDS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room, and run it again"),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM),
        "let the user of the service own it, or give another place, and run it again",
    ),
}


def mend_of(fault: BaseException) -> str:
    """What to do about a fault; "" where that is not known."""
    return MENDS.get(fault.errno or 0, "") if isinstance(fault, OSError) else ""
