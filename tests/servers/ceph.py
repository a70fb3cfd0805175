"""A Ceph cluster of one disk in memory, with its S3 gateway (radosgw). Debian: ceph-mon, ceph-osd, radosgw."""

import json
import uuid

from server import Server, free_port, is_listening, wait_until

ACCESS_KEY, SECRET_KEY = 'HOLDFASTTEST', 'a-secret-of-the-tests'
POOL = 'holdfast'

# Small and quick: one copy, no scrubbing, and elections that do not wait.
CONFIGURATION = '''
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{monitor_port}/0
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
run dir = {directory}/run
admin socket = {directory}/run/$name.$pid.asok
log file = {directory}/log/$name.log
mon cluster log file = {directory}/log/cluster.log
mon warn on insecure global id reclaim allowed = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon max pg per osd = 10000
paxos propose interval = 0.02
paxos min wait = 0.01
mon data avail crit = 1
mon data avail warn = 1
[client.admin]
keyring = {directory}/keyring
[mon]
keyring = {directory}/keyring
mon data = {directory}/mon
mon initial members = a
[osd]
keyring = {directory}/osd/keyring
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = {memory}
memstore page set = false
osd class load list = *
osd class default list = *
osd max scrubs = 0
[client]
rgw thread pool size = 64
rgw enable usage log = false
rgw crypt require ssl = false
rgw gc obj min wait = 5
rgw gc processor period = 10
rgw lc debug interval = 10
rgw relaxed region enforcement = true
'''

GATEWAY = '''
[client.rgw.{name}]
keyring = {directory}/keyring.{name}
rgw data = {directory}/{name}
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1{tls}
rgw dns name = localhost
'''


class Ceph(Server):
    """`endpoint` is the gateway's URL; POOL is for objects without a gateway."""

    def __init__(self, directory=None, memory=4 << 30, certificate=None):
        super().__init__(directory)
        self.memory = memory
        self.certificate = certificate
        self.configuration = self.directory / 'ceph.conf'

    def ceph(self, *args, input=None):
        return self.run('ceph', '-c', self.configuration, '--connect-timeout', 5, *args, input=input)

    def up(self):
        self.start_cluster()
        self.ceph('osd', 'pool', 'create', POOL)
        self.start_gateway('a')
        self.make_user()
        self.environment.update(HOLDFAST_TEST_S3=self.endpoint, AWS_ACCESS_KEY_ID=ACCESS_KEY,
                                AWS_SECRET_ACCESS_KEY=SECRET_KEY, HOLDFAST_TEST_CEPH_CONF=str(self.configuration),
                                HOLDFAST_TEST_CEPH_POOL=POOL)

    def start_cluster(self):
        for name in ('mon', 'osd', 'run', 'log'):
            (self.directory / name).mkdir(parents=True)
        self.monitor_port = free_port()
        fsid = str(uuid.uuid4())
        self.write('ceph.conf', CONFIGURATION.format(fsid=fsid, directory=self.directory, memory=self.memory,
                                                     monitor_port=self.monitor_port))
        keyring = self.write('keyring', '')
        for name, capabilities in (('mon.', ('mon',)), ('client.admin', ('mon', 'osd', 'mgr'))):
            caps = [word for kind in capabilities for word in ('--cap', kind, 'allow *')]
            self.run('ceph-authtool', keyring, '--gen-key', '-n', name, *caps)
        monitors = self.directory / 'monmap'
        self.run('monmaptool', '--create', '--fsid', fsid, '--addv', 'a',
                 '[v2:127.0.0.1:%d]' % self.monitor_port, monitors)
        self.run('ceph-mon', '-c', self.configuration, '-i', 'a', '--mkfs', '--monmap', monitors,
                 '--keyring', keyring)
        self.start('mon', 'ceph-mon', '-c', self.configuration, '-i', 'a', '-f')
        wait_until(lambda: is_listening(self.monitor_port), 'the monitor')
        self.start_disk()

    def start_disk(self):
        identity = str(uuid.uuid4())
        secret = self.run('ceph-authtool', '--gen-print-key').strip()
        number = self.ceph('osd', 'new', identity, '-i', '-', input=json.dumps({'cephx_secret': secret})).strip()
        self.run('ceph-authtool', '--create-keyring', self.directory / 'osd/keyring', '--name', 'osd.' + number,
                 '--add-key', secret)
        self.run('ceph-osd', '-c', self.configuration, '-i', number, '--mkfs', '--osd-uuid', identity)
        self.start('osd', 'ceph-osd', '-c', self.configuration, '-i', number, '-f')
        wait_until(lambda: '1 up' in self.ceph('osd', 'stat'), 'the disk')

    def start_gateway(self, name, *args, port=None):
        port = port or free_port()
        (self.directory / name).mkdir(exist_ok=True)
        keys = self.ceph('auth', 'get-or-create', 'client.rgw.' + name, 'mon', 'allow *', 'osd', 'allow *',
                         'mgr', 'allow *')
        self.write('keyring.' + name, keys)
        tls = '' if self.certificate is None else (
            ' ssl_endpoint=127.0.0.1:%d ssl_certificate=%s ssl_private_key=%s' % ((free_port(),) + self.certificate))
        with open(self.configuration, 'a') as configuration:
            configuration.write(GATEWAY.format(name=name, directory=self.directory, port=port, tls=tls))
        self.endpoint = 'http://127.0.0.1:%d' % port
        if self.certificate is not None:
            self.tls_endpoint = 'https://127.0.0.1:%s' % tls.split('ssl_endpoint=127.0.0.1:')[1].split()[0]
        self.gateway_args = ('radosgw', '-c', self.configuration, '-n', 'client.rgw.' + name, '-f', *args)
        self.gateway_port = port
        self.restart_gateway(name)

    def restart_gateway(self, name='a'):
        self.start('gateway-' + name, *self.gateway_args)
        wait_until(lambda: is_listening(self.gateway_port), 'the gateway')

    def make_user(self, name='test', access_key=ACCESS_KEY, secret_key=SECRET_KEY):
        self.run('radosgw-admin', '-c', self.configuration, 'user', 'create', '--uid', name, '--display-name', name,
                 '--access-key', access_key, '--secret', secret_key)
