"""Where a file holds data and where holes."""
import errno
import os


def extents(fd, size):
    """Where data is in a file: [(start, end)]."""
    result, position = [], 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        position = os.lseek(fd, start, os.SEEK_HOLE)
        result.append((start, position))
    os.lseek(fd, 0, os.SEEK_SET)
    return result
