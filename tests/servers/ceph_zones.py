"""Two zones of Ceph's gateways that replicate each other: what a replica of a bucket is compared with."""

from ceph import ACCESS_KEY, SECRET_KEY, Ceph
from server import free_port

SYSTEM_ACCESS_KEY, SYSTEM_SECRET_KEY = 'HOLDFASTSYSTEM', 'a-secret-between-the-zones'
ZONES = ('north', 'south')


class CephZones(Ceph):
    """`ports` are those of the gateways, by the names of their zones; what is put into the first comes to the second."""

    def up(self):
        self.start_cluster()
        self.ports = {}
        planned = {zone: free_port() for zone in ZONES}
        self.make_zones(planned)
        for zone in ZONES:
            self.start_gateway(zone, '--rgw-zone=' + zone, '--rgw-zonegroup=group', '--rgw-realm=realm', port=planned[zone])
            self.ports[zone] = planned[zone]

    def admin(self, *args):
        return self.run('radosgw-admin', '-c', self.configuration, *args)

    def make_zones(self, ports):
        self.admin('realm', 'create', '--rgw-realm=realm', '--default')
        first = 'http://127.0.0.1:%d' % ports[ZONES[0]]
        self.admin('zonegroup', 'create', '--rgw-zonegroup=group', '--endpoints=' + first, '--master', '--default')
        keys = ('--access-key=' + SYSTEM_ACCESS_KEY, '--secret=' + SYSTEM_SECRET_KEY)
        for number, zone in enumerate(ZONES):
            master = ('--master', '--default') if number == 0 else ()
            self.admin('zone', 'create', '--rgw-zonegroup=group', '--rgw-zone=' + zone,
                       '--endpoints=http://127.0.0.1:%d' % ports[zone], *master, *keys)
        in_first = '--rgw-zone=' + ZONES[0]
        self.admin('period', 'update', '--commit', in_first)
        self.admin('user', 'create', in_first, '--uid=system', '--display-name=system', '--system', *keys)
        self.admin('user', 'create', in_first, '--uid=test', '--display-name=test', '--access-key=' + ACCESS_KEY,
                   '--secret=' + SECRET_KEY)
