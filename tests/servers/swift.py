"""OpenStack Swift with one copy on a plain directory, and TempAuth. Debian: swift-proxy, swift-account,
swift-container, swift-object, memcached (TempAuth keeps its tokens there)."""

import getpass
import urllib.request

from server import Server, free_port, is_listening, wait_until

USER, KEY = 'test:tester', 'a-secret-of-the-tests'

COMMON = '''
[swift-hash]
swift_hash_path_suffix = holdfast
swift_hash_path_prefix = tests
[storage-policy:0]
name = one
default = yes
'''

# One process each. What a busy machine does not get done in time would be done by updaters, which are not started.
STORE = '''
[DEFAULT]
devices = {directory}/node
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {directory}/etc
recon_cache_path = {directory}/cache
log_level = WARNING
log_address = {directory}/no-log
fallocate_reserve = 0
container_update_timeout = 60
conn_timeout = 10
node_timeout = 60
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
'''

PROXY = '''
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {directory}/etc
log_level = WARNING
log_address = {directory}/no-log
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats tempauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 10
node_timeout = 60
recoverable_node_timeout = 60
error_suppression_limit = 100000
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memory_port}
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {key} .admin
'''


class Swift(Server):
    """`endpoint` is the proxy server's URL."""

    def up(self):
        for name in ('etc', 'cache', 'node/disk'):
            (self.directory / name).mkdir(parents=True)
        self.user = getpass.getuser()
        self.write('etc/swift.conf', COMMON)
        self.memory_port = free_port()
        self.start('memcached', 'memcached', '-u', self.user, '-l', '127.0.0.1', '-p', self.memory_port, '-m', 32)
        stores = {kind: free_port() for kind in ('account', 'container', 'object')}
        for kind, port in stores.items():
            self.make_ring(kind, port)
            self.start_store(kind, port)
        port = free_port()
        proxy = self.write('etc/proxy.conf', PROXY.format(directory=self.directory, port=port, user=self.user,
                                                          memory_port=self.memory_port, key=KEY), 0o600)
        self.start('proxy', 'swift-proxy-server', proxy)
        for used in (self.memory_port, *stores.values(), port):
            wait_until(lambda: is_listening(used), 'Swift')
        self.endpoint = 'http://127.0.0.1:%d' % port
        wait_until(lambda: urllib.request.urlopen(self.endpoint + '/healthcheck', timeout=5).status == 200,
                   'the proxy server')
        self.environment.update(ST_AUTH=self.endpoint + '/auth/v1.0', ST_USER=USER, ST_KEY=KEY)

    def make_ring(self, kind, port):
        builder = self.directory / 'etc' / (kind + '.builder')
        # 16 partitions, one copy, no wait between changes.
        self.run('swift-ring-builder', builder, 'create', 4, 1, 0)
        self.run('swift-ring-builder', builder, 'add', 'r1z1-127.0.0.1:%d/disk' % port, 1)
        self.run('swift-ring-builder', builder, 'rebalance')

    def start_store(self, kind, port):
        configuration = self.write('etc/%s.conf' % kind, STORE.format(directory=self.directory, port=port, kind=kind,
                                                                      user=self.user))
        self.start(kind, 'swift-%s-server' % kind, configuration)
