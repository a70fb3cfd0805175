"""What the servers that tests start have in common: processes on loopback, stopped by their ids."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_until(ready, what, seconds=60):
    """Until ready() is true; it may raise OSError meanwhile."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise TimeoutError('%s is not ready after %d s' % (what, seconds))


def is_listening(port):
    with socket.create_connection(('127.0.0.1', port), timeout=1):
        return True


class Server:
    """A server in a directory of its own: a context. `environment` is what programs need that use it."""

    def __init__(self, directory=None):
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix='holdfast-server-'))
        self.processes = {}
        self.environment = {}

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.tell_logs()
            self.down()
            raise
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        raise NotImplementedError

    def write(self, name, text, mode=0o644):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def run(self, *args, input=None):
        """Runs a program to its end, and returns what it prints."""
        done = subprocess.run([str(arg) for arg in args], input=input, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError('%s: status %d\n%s%s' % (args[0], done.returncode, done.stdout, done.stderr))
        return done.stdout

    def start(self, name, *args, environment=None):
        """Starts a process that goes on until stop(name) or down()."""
        (self.directory / 'log').mkdir(parents=True, exist_ok=True)
        with open(self.directory / 'log' / (name + '.out'), 'ab') as log:
            self.processes[name] = subprocess.Popen(
                [str(arg) for arg in args], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env={**os.environ, **(environment or {})})
        return self.processes[name]

    def stop(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name)
        # Its children too: each is a session of its own.
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            pass
        process.wait(timeout=30)

    def down(self):
        for name in reversed(list(self.processes)):
            self.stop(name)
        shutil.rmtree(self.directory, ignore_errors=True)

    def tell_logs(self):
        for log in sorted((self.directory / 'log').glob('*')):
            print('== %s' % log)
            print(log.read_text(errors='replace')[-2000:])
