#!/usr/bin/env python3
"""Runs a command beside servers, with what it needs in its environment.

usage: with_server.py NAME[,NAME...] -- COMMAND...

The names: ceph, sshd, swift. The exit status is the command's.
"""

import contextlib
import os
import subprocess
import sys

from ceph import Ceph
from sshd import Sshd
from swift import Swift

SERVERS = {'ceph': Ceph, 'sshd': Sshd, 'swift': Swift}


def main():
    if len(sys.argv) < 4 or sys.argv[2] != '--':
        sys.exit(__doc__)
    with contextlib.ExitStack() as stack:
        environment = dict(os.environ)
        for name in sys.argv[1].split(','):
            environment.update(stack.enter_context(SERVERS[name]()).environment)
        return subprocess.run(sys.argv[3:], env=environment).returncode


if __name__ == '__main__':
    sys.exit(main())
