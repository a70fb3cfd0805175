"""An SSH server of the user who runs it, with SFTP. Debian: openssh-server, openssh-client."""

import os
import pathlib
import signal

from server import Server, free_port, is_listening, wait_until

PROGRAM = '/usr/sbin/sshd'

# The keys are in a directory that others could write to in between.
CONFIGURATION = '''
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
{more}
LogLevel VERBOSE
Subsystem sftp internal-sftp -d {directory}/home
'''

# What stands in place of ~/.ssh/config.
CLIENT = '''
Host holdfast-test
    HostName 127.0.0.1
    Port {port}
Host *
    IdentityFile {directory}/{key}
    UserKnownHostsFile {directory}/{known_hosts}
    GlobalKnownHostsFile /dev/null
'''


def descendants(pid):
    """The processes that a process has started, and those that they have."""
    parents = {}
    for status in pathlib.Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = status.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(fields[1])
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


class Sshd(Server):
    """`url` is a directory on it; objects there are in `data`. A test may start another one on `spare_port`."""

    def up(self):
        if os.getuid() == 0:
            pathlib.Path('/run/sshd').mkdir(exist_ok=True)
        for name in ('home', 'data'):
            (self.directory / name).mkdir(parents=True)
        self.data = self.directory / 'data'
        self.port, self.spare_port = free_port(), free_port()
        for key in ('host_key', 'client_key', 'strange_key'):
            self.run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', self.directory / key)
        self.write('authorized_keys', (self.directory / 'client_key.pub').read_text())
        public = ' '.join((self.directory / 'host_key.pub').read_text().split()[:2])
        self.write('known_hosts', ''.join('[127.0.0.1]:%d %s\n' % (port, public)
                                          for port in (self.port, self.spare_port)))
        strange = ' '.join((self.directory / 'strange_key.pub').read_text().split()[:2])
        self.write('changed_hosts', '[127.0.0.1]:%d %s\n' % (self.port, strange))
        self.write('no_hosts', '')
        self.client_configuration('ssh_config')
        self.client_configuration('ssh_config_strange_key', key='strange_key')
        self.client_configuration('ssh_config_no_hosts', known_hosts='no_hosts')
        self.client_configuration('ssh_config_changed_hosts', known_hosts='changed_hosts')
        spare = self.server_configuration('spare_sshd_config', self.spare_port,
                                          'ClientAliveInterval 1\nClientAliveCountMax 5')
        self.start('sshd', PROGRAM, '-D', '-e', '-f', self.server_configuration('sshd_config', self.port))
        wait_until(lambda: is_listening(self.port), 'sshd')
        self.url = 'sftp://127.0.0.1:%d%s' % (self.port, self.data)
        self.environment.update(
            HOLDFAST_TEST_SFTP=self.url, HOLDFAST_TEST_SFTP_DIRECTORY=str(self.directory),
            HOLDFAST_TEST_SFTP_SPARE='sftp://127.0.0.1:%d%s' % (self.spare_port, self.data),
            HOLDFAST_TEST_SSHD='%s -D -f %s' % (PROGRAM, spare),
            HOLDFAST_SSH_CONFIG=str(self.directory / 'ssh_config'), SSH_AUTH_SOCK='')

    def server_configuration(self, name, port, more=''):
        return self.write(name, CONFIGURATION.format(port=port, directory=self.directory, more=more))

    def client_configuration(self, name, key='client_key', known_hosts='known_hosts'):
        self.write(name, CLIENT.format(port=self.port, directory=self.directory, key=key, known_hosts=known_hosts))

    def kill_connections(self):
        """Each is a session of its own, which goes on without the server."""
        for pid in descendants(self.processes['sshd'].pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def down(self):
        if 'sshd' in self.processes:
            self.kill_connections()
        super().down()
