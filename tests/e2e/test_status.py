"""`status`: whether what the configuration wants holds now, as found in the repositories themselves."""
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import time

from harness import HERE, needs_root
from test_config import ConfigWorld
from test_s3 import S3World


class StatusWorld(ConfigWorld, S3World):
    """A source on a file system of its own (in memory), a repository on disk, and two buckets, of which one is locked."""

    def setUp(self):
        super().setUp()
        # The tests' own file system may be in memory, too: another one.
        self.mount('-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', self.source)
        self.small_tree()
        self.recovery_keys = {}

    def bucket_url(self, name, port=None):
        return 's3:http://127.0.0.1:%d/%s-%s/repo' % (port or self.ceph.gateway_port, self.bucket, name)

    def repository_text(self, name, url, site, more=''):
        return '[repository.%s]\nurl = "%s"\nkey_file = "%s"\nsite = "%s"\n%s\n' % (
            name, url, self.path('key-' + name), site, more)

    def text(self, policy='rpo = "1h"', site='site = "paris"', bucket_port=None, more=''):
        return '\n'.join([
            site, more,
            self.repository_text('disk', self.path('repo-disk'), 'paris'),
            self.repository_text('second', self.bucket_url('second'), 'paris'),
            self.repository_text('far', self.bucket_url('far', bucket_port), 'lyon', 'lock = "1d"'),
            '[source.home]\npath = "%s"\nrepository = "disk"\npolicy = "nightly"' % self.source,
            '[policy.nightly]\ncopies = ["second", "far"]\n' + policy])

    def make(self, **options):
        self.configure(self.text(**options))
        for name in ('disk', 'second', 'far'):
            made = self.run_program(['-r', name, '--json', 'init']).json
            self.recovery_keys[name] = made['recovery_key']
        self.run_program(['run'])

    def confirm(self, *names):
        for name in names or self.recovery_keys:
            self.run_program(['-r', name, 'key', 'confirm'], input=self.recovery_keys[name].encode() + b'\n')

    def status(self, *args, expect=0, **options):
        result = self.run_program(['--json', 'status', *args], expect=expect, **options)
        self.assertEqual(result.json['schema'], 1)
        return result.json

    def objectives(self, document):
        return {one['name']: one['status'] for one in document['sources'][0]['objectives']}

    def copies(self, document):
        return {one['repository']: one for one in document['sources'][0]['copies']}


@needs_root
class Status(StatusWorld):
    def test_red_until_the_recovery_keys_are_confirmed_then_held(self):
        self.make()
        document = self.status(expect=17)
        self.assertEqual(document['status'], 'broken')
        source = document['sources'][0]
        self.assertEqual((source['rule_321'], source['rule_32110']), ('held', 'unknown'))
        self.assertEqual(self.objectives(document)['recovery_key'], 'broken')
        self.confirm('disk', 'second')
        self.status(expect=17)
        # A typed error confirms nothing, nor does the key of another repository.
        wrong = self.recovery_keys['far'][:-1] + ('0' if self.recovery_keys['far'][-1] != '0' else '1')
        self.run_program(['-r', 'far', 'key', 'confirm'], input=wrong.encode(), expect=12)
        self.run_program(['-r', 'far', 'key', 'confirm'], input=self.recovery_keys['disk'].encode(), expect=12)
        self.run_program(['-r', 'far', 'key', 'confirm'], input=b'', expect=2)
        self.status(expect=17)
        self.confirm('far')
        document = self.status()
        self.assertEqual(document['status'], 'held')
        copies = self.copies(document)
        self.assertEqual({name: (one['site'], one['medium'], one['counts']) for name, one in copies.items()},
                         {'disk': ('paris', 'disk', True), 'second': ('paris', 'object', True),
                          'far': ('lyon', 'object', True)})
        self.assertIsNone(copies['second']['locked_until'])
        self.assertGreater(copies['far']['locked_until'], time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() + 23 * 3600)))
        # With a check of each also 3-2-1-1-0, and the age of what was read is told.
        for name in copies:
            self.run_program(['-r', name, 'check', '--read-data'])
        document = self.status()
        self.assertEqual(document['sources'][0]['rule_32110'], 'held')
        self.assertIsNotNone(self.copies(document)['far']['verified'])
        text = self.run_program(['status']).text
        self.assertIn('3-2-1 ok, with 1 immutable and 0 errors ok', text)
        self.assertRegex(text, r'(?m)^ok  home  ')

    def test_what_is_measured_is_what_is_there(self):
        self.make()
        self.confirm()
        self.assertEqual(self.status()['status'], 'held')
        # Someone deletes the copy: the configuration is the same, the status is not.
        point = self.run_program(['-r', 'second', '--json', 'list']).json['restore_points'][0]['id']
        self.run_program(['-r', 'second', 'delete', point])
        document = self.status(expect=17)
        self.assertEqual(self.objectives(document)['copies'], 'broken')
        self.assertEqual(self.copies(document)['second']['why_not'], 'it has no good restore point of the source')
        self.run_program(['-r', 'second', 'undelete', point])
        self.status()
        # Damage that a check has found counts, whoever looks.
        for path in sorted(glob.glob(self.path('repo-disk', 'points', '*', '*'))):
            os.chmod(path, 0o600)
            with open(path, 'r+b') as file:
                file.truncate(os.path.getsize(path) // 3)
        self.run_program(['-r', 'disk', 'check', '--read-data'], expect=13)
        shutil.rmtree(self.path('state'))
        document = self.status(expect=17)
        self.assertEqual(self.objectives(document)['errors'], 'broken')
        self.assertEqual(document['sources'][0]['rule_321'], 'broken', 'a damaged point is no copy')

    def test_what_a_check_has_found_stays_until_it_was_read_again(self):
        self.make()
        self.confirm()
        rng = random.Random(4)
        for i in range(40):
            self.write('large%d' % i, rng.randbytes(150_000))
        self.settle()
        self.run_program(['run'])
        packs = sorted(glob.glob(self.path('repo-disk', 'data', '*', '*')), key=os.path.getsize)
        os.chmod(packs[-1], 0o600)
        with open(packs[-1], 'r+b') as file:
            file.seek(os.path.getsize(packs[-1]) // 2)
            file.write(b'x' * 300_000)  # beyond what parity mends
        self.run_program(['-r', 'disk', 'check', '--read-data'], expect=13)
        self.assertEqual(self.objectives(self.status(expect=17))['errors'], 'broken')
        # Another machine looks at another part, and this one looks without reading.
        os.rename(packs[-1], self.path('aside'))
        self.run_program(['-r', 'disk', 'check'], expect=13)
        document = self.status(expect=17)
        self.assertIn('packs are not there', self.copies(document)['disk']['why_not'])
        os.rename(self.path('aside'), packs[-1])
        self.run_program(['-r', 'disk', 'check'])
        document = self.status(expect=17)
        self.assertEqual(self.objectives(document)['errors'], 'broken')
        self.assertEqual(self.copies(document)['disk']['restore_points'], 1, 'a damaged point is no good one')
        # Mended by the next backup, without what is lost for good, and all read again.
        self.run_program(['-r', 'disk', 'repair'], expect=13)
        self.run_program(['run'])
        damaged = [p['id'] for p in self.points('-r', 'disk')][:-1]
        self.run_program(['-r', 'disk', 'delete', *damaged])
        self.run_program(['-r', 'disk', 'prune'])
        self.run_program(['-r', 'disk', 'check', '--read-data'])
        self.assertEqual(self.status()['status'], 'held')

    def test_a_time_that_is_yet_to_come_proves_nothing(self):
        self.make()
        self.confirm()
        self.run_program(['-r', 'disk', 'delete', 'latest'])
        self.run_program(['-r', 'disk', 'backup', '--time', '2090-01-01', self.source])
        document = self.status(expect=17)
        self.assertEqual(self.copies(document)['disk']['why_not'], 'it has no good restore point of the source')

    def test_another_place_under_an_old_name_is_another_repository(self):
        self.make()
        self.confirm()
        self.status()
        self.configure(self.text().replace(self.path('repo-disk'), self.path('nowhere')))
        self.assertEqual(self.copies(self.status('--cached', expect=17))['disk']['error'], 'it was never measured')
        document = self.status(expect=17)
        self.assertEqual(self.copies(document)['disk']['restore_point'], '')
        self.assertEqual(self.objectives(document)['recovery_key'], 'unknown')

    def test_a_disk_below_the_source_is_the_sources_own(self):
        self.make()
        self.confirm()
        os.makedirs(os.path.join(self.source, 'deep', 'er'))
        inner = self.mount('--bind', self.path('home'), os.path.join(self.source, 'deep', 'er'))
        self.assertEqual(self.copies(self.status(expect=17))['disk']['why_not'], "it is on the source's own device")
        self.configure(self.text() .replace('policy = "nightly"', 'policy = "nightly"\none_file_system = true', 1))
        self.status()
        self.umount(inner)
        # A source of another host has devices of its own.
        self.configure(self.text() + '\n[source.there]\npath = "%s"\nhost = "db7"\nrepository = "disk"\n' % self.path('home'))
        there = [one for one in self.status(expect=17)['sources'] if one['name'] == 'there'][0]
        self.assertEqual(there['copies'][0]['why_not'], 'it has no good restore point of the source')

    def test_the_source_is_lost(self):
        self.make()
        self.confirm()
        os.symlink(self.source, self.path('link'))
        self.configure(self.text().replace('path = "%s"' % self.source, 'path = "%s/"' % self.path('link')))
        self.run_program(['run'])
        self.status()
        os.remove(self.path('link'))
        self.assertEqual(self.status()['status'], 'held')

    def test_a_replica_never_counts(self):
        self.make()
        self.confirm()
        endpoint = 'http://127.0.0.1:%d' % self.ceph.gateway_port
        self.configure(self.text() + '\n[replica.far]\nsource.url = "s3://somewhere?endpoint=%s"\ntarget.url = "s3://%s-far?endpoint=%s"\n' % (
            endpoint, self.bucket, endpoint))
        document = self.status(expect=17)
        self.assertIn('replica', self.copies(document)['far']['why_not'])
        self.assertEqual(document['sources'][0]['rule_321'], 'broken')

    def test_a_replica_that_another_machine_keeps_never_counts(self):
        self.make()
        url = 's3://%s-%s?endpoint=http%%3A%%2F%%2F127.0.0.1:%d'
        self.run_program(['replica', 'create', url % (self.bucket, 'second', self.ceph.gateway_port),
                          url % (self.bucket, 'copy', self.ceph.gateway_port), '--name', 'r', '--enable-versioning'])
        self.run_program(['replica', 'run', '--once', 'r'])
        shutil.rmtree(os.path.join(self.state, 'replica'))
        shutil.copy(self.path('key-second'), self.path('key-copy'))
        self.configure(self.text().replace('copies = [', 'copies = ["copy", ') +
                       '\n' + self.repository_text('copy', self.bucket_url('copy'), 'lyon'))
        self.assertIn('replica', self.copies(self.status(expect=17))['copy']['why_not'])
        self.assertIn('replica', self.copies(self.status('--cached', expect=17))['copy']['why_not'])

    def test_a_recovery_key_as_it_was_pasted(self):
        self.make()
        for name, key in self.recovery_keys.items():
            self.run_program(['-r', name, 'key', 'confirm'], input=b'  ' + key.lower().encode() + b' \r\n')
        self.status()

    def test_the_rpo_is_broken_by_time_alone(self):
        self.make(policy='rpo = "5s"\nobjective.copies_within = "1d"')
        self.confirm()
        time.sleep(5)
        document = self.status(expect=17)
        self.assertEqual(self.objectives(document)['rpo'], 'broken')
        self.assertEqual(document['sources'][0]['rule_321'], 'held')
        self.configure(self.text(policy='rpo = "1h"'))
        self.status()

    def start_proxy(self, port=0):
        """One that can be killed, and its port."""
        process = subprocess.Popen([sys.executable, os.path.join(HERE, '..', 'servers', 'proxy.py'),
                                    str(self.ceph.gateway_port), '--port', str(port)], stdout=subprocess.PIPE)
        self.processes.append(process)
        return process, int(process.stdout.readline())

    def test_unreachable_is_unknown(self):
        process, port = self.start_proxy()
        self.make(bucket_port=port)
        self.confirm()
        self.status()
        process.kill()
        process.wait()
        # Nobody listens there any more.
        began = time.monotonic()
        document = self.status(expect=17)
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual(document['status'], 'unknown')
        objectives = self.objectives(document)
        self.assertEqual((objectives['copies'], objectives['off_site'], objectives['rpo']), ('unknown', 'unknown', 'held'))
        far = self.copies(document)['far']
        self.assertFalse(far['known'])
        self.assertNotEqual(far['error'], '')
        self.assertNotEqual(far['restore_point'], '', 'what it had is told')
        self.assertIn('UNKNOWN', self.run_program(['status', '--nagios'], expect=3).text)
        # The catalogue does not turn that into a yes.
        self.assertEqual(self.status('--cached', expect=17)['status'], 'unknown')
        self.start_proxy(port)
        self.status()

    def test_a_repository_on_the_sources_device_and_two_on_one_device(self):
        self.make()
        self.confirm()
        self.configure(self.text() + '\n' + '[source.here]\npath = "%s"\nrepository = "disk"\npolicy = "nightly"' % self.path('home'))
        self.run_program(['run', 'here'])
        document = self.status('here', expect=17)
        self.assertEqual(self.copies(document)['disk']['why_not'], "it is on the source's own device")
        self.assertEqual(document['sources'][0]['rule_321'], 'broken')
        # The same bucket again under another name.
        again = self.repository_text('again', self.bucket_url('second'), 'nice').replace('key-again', 'key-second')
        self.configure(self.text(policy='copies = ["second", "again"]\n').replace('copies = ["second", "far"]', '') + again)
        document = self.status()
        self.assertEqual(self.objectives(document)['copies'], 'held', 'far has points, whether it is asked for or not')
        self.assertIn('same', self.copies(document)['again']['why_not'])

    def test_the_catalogue_can_be_lost(self):
        self.make()
        self.confirm()
        before = self.status()
        self.assertEqual(self.status('--cached')['status'], 'held')
        for path in glob.glob(os.path.join(self.state, 'catalog*')):
            os.remove(path)
        self.assertEqual(self.status('--cached', expect=17)['status'], 'unknown')
        after = self.status()
        self.assertEqual(self.copies(after)['far']['restore_point'], self.copies(before)['far']['restore_point'])
        self.assertEqual(after['status'], 'held')
        catalog = os.path.join(self.state, 'catalog.sqlite')
        with open(catalog, 'r+b') as file:
            file.write(b'x' * 3000)
        self.assertEqual(self.status()['status'], 'held')
        # The head is whole, what is behind it is not.
        with open(catalog, 'r+b') as file:
            file.seek(4096)
            file.write(b'x' * (os.path.getsize(catalog) - 4096))
        self.assertEqual(self.status()['status'], 'held')
        self.assertEqual(self.status('--cached')['status'], 'held')

    def test_metrics_nagios_and_what_ran(self):
        metrics = self.path('holdfast.prom')
        self.make(more='metrics_file = "%s"' % metrics)
        self.confirm()
        with open(metrics) as file:
            after_run = file.read()
        self.assertIn('holdfast_source_copies{source="home",policy="nightly"} 3', after_run)
        self.assertIn('holdfast_source_status{source="home",policy="nightly",verdict="broken"} 1', after_run)
        text = self.run_program(['status', '--prometheus']).text
        with open(metrics) as file:
            self.assertEqual(file.read(), text)
        self.assertIn('holdfast_source_status{source="home",policy="nightly",verdict="held"} 1', text)
        self.check_prometheus_text(text)
        line = self.run_program(['status', '--nagios']).text
        self.assertRegex(line, r"^HOLDFAST OK - 1 sources are protected \| 'home_age'=\d+s;;3600\n$")
        self.run_program(['-r', 'disk', 'delete', 'latest'])
        self.assertRegex(self.run_program(['status', '--nagios'], expect=2).text, r'^HOLDFAST CRITICAL - home: copies 2 of 3 BROKEN')
        steps = self.run_program(['--json', 'status', '--runs']).json['steps']
        self.assertEqual(sorted(step['kind'] for step in steps), ['backup', 'copy', 'copy'])
        self.assertEqual(len(self.run_program(['status', '--runs=1']).text.splitlines()), 1)
        self.run_program(['status', '--runs=x'], expect=2)
        self.run_program(['status', '--nagios', '--prometheus'], expect=2)

    def check_prometheus_text(self, text):
        """The exposition format: names, samples after their type, one group for each name."""
        current, seen = None, set()
        for line in text.splitlines():
            if line.startswith('# TYPE '):
                current = line.split()[2]
                self.assertNotIn(current, seen)
                seen.add(current)
            elif not line.startswith('#'):
                match = re.fullmatch(r'([a-z_0-9]+)(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? (\d+|\+Inf)', line)
                self.assertTrue(match, line)
                self.assertEqual(match.group(1), current)

    def test_no_configuration_and_wrong_names(self):
        self.run_program(['status'], env={'HOLDFAST_CONFIG': None}, expect=2)
        self.configure(self.text())
        self.run_program(['status', 'hoem'], expect=2)
        self.run_program(['status', '--nagios', 'hoem'], expect=3)
        self.assertEqual(self.status(expect=17)['status'], 'unknown')
        self.configure('site = "paris"\n' + self.repository())
        self.run_program(['status'], expect=2)

    def test_a_write_only_client_can_tell_nothing(self):
        self.make()
        self.confirm()
        self.run_program(['-r', 'disk', 'key', 'add', '--write-only', '--new-key-file', self.path('client')])
        self.configure(self.text().replace(self.path('key-disk'), self.path('client')))
        document = self.status(expect=17)
        self.assertIn('write-only', self.copies(document)['disk']['error'])
        self.run_program(['-r', 'disk', 'key', 'confirm'], input=self.recovery_keys['disk'].encode(), expect=1)
