"""How the C library treats the memory of pictures."""

import ctypes

# Source: mallopt(3), malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT, _LARGEST = 64 << 20, 32 << 20  # bytes


def keep_freed_memory() -> None:
    """Let the next picture have the memory of the last one, instead of giving it back to the system in between.

    By default every picture of some megabytes is new memory, whose pages the system has to clear: a fifth of the time
    that the desk's pictures take. Without glibc there is nothing to set, and nothing is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
