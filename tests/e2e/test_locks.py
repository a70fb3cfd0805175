"""Object lock, at a real gateway: what nobody can take away, and who tries."""
import base64
import hashlib
import os
import re
import time
import xml.etree.ElementTree

from test_s3 import S3World

from ceph import ACCESS_KEY, SECRET_KEY
from s3_request import S3Requester

NAMESPACE = '{http://s3.amazonaws.com/doc/2006-03-01/}'


def md5(body):
    return {'content-md5': base64.b64encode(hashlib.md5(body).digest()).decode()}


def retention(mode, until):
    return ('<Retention><Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>' % (mode, until)).encode()


class Locks(S3World):
    def setUp(self):
        super().setUp()
        self.ask = S3Requester(self.ceph.gateway_port, ACCESS_KEY, SECRET_KEY)

    def locked(self, *args):
        self.init('--lock', '1d', *args)
        self.small_tree()
        self.fill()
        return [self.backup()['restore_point'], self.change()]

    def change(self):
        self.write('dir1/new', os.urandom(3000))
        self.settle()
        return self.backup()['restore_point']

    def versions(self):
        """(key, version, is a delete marker) of all that the bucket has."""
        found = []
        answer = self.ask('GET', self.bucket, query={'versions': '', 'max-keys': '1000'})
        for element in xml.etree.ElementTree.fromstring(answer.body):
            kind = element.tag.split('}')[-1]
            if kind in ('Version', 'DeleteMarker'):
                texts = {child.tag.split('}')[-1]: child.text for child in element}
                found.append((texts['Key'], texts['VersionId'], kind == 'DeleteMarker'))
        return found

    def assert_all_restores(self, points, target):
        for i, point in enumerate(points):
            self.restore(point, self.path('%s%d' % (target, i)), env={'HOLDFAST_CACHE_DIR': self.path('fresh' + target)})
        self.assert_trees_equal(self.source, self.path('%s%d' % (target, len(points) - 1)))

    def test_every_day(self):
        points = self.locked()
        document = self.check('--locks', '--read-data').json
        self.assertEqual((document['problems'], document['unprotected']), (0, 0))
        self.assertGreater(document['lockable_objects'], 5)
        self.assertIsNotNone(document['locked_until'])
        # What comes and goes does not stay, and no version of it.
        self.assertEqual([key for key, _, _ in self.versions() if '/leases/' in key], [])
        # Retention is told that it has to wait, and loses nothing.
        plan = self.run_program(['--json', 'prune', '--keep-last', '1']).json
        self.assertEqual(plan['removed_restore_points'], 0)
        self.assertEqual([p['id'] for p in self.points()], points)
        self.run_program(['delete', points[0]])
        self.run_program(['prune'])
        self.run_program(['undelete', points[0]])
        self.assert_all_restores(points, 'target')

    def test_a_key_whose_slot_is_locked_is_revoked(self):
        self.locked()
        self.run_program(['key', 'add', '--new-key-file', self.path('stolen'), '--label', 'stolen'])
        stolen, = (key['id'] for key in self.run_program(['--json', 'key', 'list']).json['keys'] if key['label'] == 'stolen')
        self.run_program(['key', 'remove', stolen], expect=15)
        self.run_program(['key', 'revoke', stolen])
        listed = {key['id']: key['revoked'] for key in self.run_program(['--json', 'key', 'list']).json['keys']}
        self.assertTrue(listed[stolen])
        self.change()
        self.run_program(['--key-file', self.path('stolen'), 'list'], expect=(12, 13), env={'HOLDFAST_CACHE_DIR': self.path('his')})
        self.restore('latest', self.path('target'))

    def data_locks(self):
        """Mode and end of the lock of each version of a pack."""
        locks = {}
        for key, version, _ in self.versions():
            if '/data/' in key:
                headers = {name.lower(): value for name, value in
                           dict(self.ask('HEAD', self.bucket, key, {'versionId': version}).headers).items()}
                locks[key] = (headers.get('x-amz-object-lock-mode'), headers.get('x-amz-object-lock-retain-until-date'))
        return locks

    def test_what_another_source_takes_over_is_extended(self):
        self.init('--lock', '1d', '--lock-mode', 'governance')
        self.write('large', os.urandom(6_000_000))
        self.settle()
        self.run_program(['backup', '--name', 'a', self.source])
        before = self.data_locks()
        self.assertEqual({mode for mode, _ in before.values()}, {'GOVERNANCE'})
        time.sleep(1.5)
        self.run_program(['backup', '--name', 'a', self.source])
        self.assertEqual(self.data_locks(), before)
        self.run_program(['backup', '--name', 'b', self.source])
        after = self.data_locks()
        self.assertEqual(sorted(after), sorted(before))
        for key, (mode, until) in after.items():
            self.assertEqual(mode, 'GOVERNANCE')
            self.assertGreater(until, before[key][1])
        self.assertEqual(self.check('--locks').json['unprotected'], 0)

    def test_what_only_pretends_is_refused(self):
        self.ask('PUT', self.bucket)  # without object lock
        error = self.init('--lock', '1d', expect=1).err
        self.assertIn('does not keep locks', error)
        self.assertEqual([key for key, _, _ in self.versions() if '/config' in key], [])
        self.repo = self.env['HOLDFAST_REPOSITORY'] = self.path('local')
        self.assertIn('no locks', self.init('--lock', '1d', expect=1).err)

    def test_a_default_retention_is_refused(self):
        self.ask('PUT', self.bucket, headers={'x-amz-bucket-object-lock-enabled': 'true'})
        body = (b'<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>'
                b'<Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>')
        self.assertTrue(self.ask('PUT', self.bucket, query={'object-lock': ''}, body=body, headers=md5(body)).ok)
        self.assertIn('default retention', self.init('--lock', '1d', expect=1).err)
        # Taken away, as the message says, the same place will do: what the first try left is in nobody's way.
        body = b'<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
        self.assertTrue(self.ask('PUT', self.bucket, query={'object-lock': ''}, body=body, headers=md5(body)).ok)
        self.init('--lock', '1d')

    def attacks(self, key, version):
        """Tries with the client's own credentials: name, and what the service answers."""
        old = '2026-01-01T00:00:00Z'
        bypass = {'x-amz-bypass-governance-retention': 'true'}
        delete = ('<Delete><Object><Key>%s</Key><VersionId>%s</VersionId></Object></Delete>' % (key, version)).encode()
        release = b'<LegalHold><Status>OFF</Status></LegalHold>'
        at = {'versionId': version}

        def put_retention(body, more=None):
            return self.ask('PUT', self.bucket, key, {**at, 'retention': ''}, {**md5(body), **(more or {})}, body)

        yield 'delete version', self.ask('DELETE', self.bucket, key, at)
        yield 'delete version, bypassing', self.ask('DELETE', self.bucket, key, at, bypass)
        yield 'delete many', self.ask('POST', self.bucket, query={'delete': ''}, headers={**md5(delete), **bypass},
                                      body=delete)
        yield 'shorten', put_retention(retention('COMPLIANCE', old))
        yield 'shorten, bypassing', put_retention(retention('COMPLIANCE', old), bypass)
        yield 'weaken', put_retention(retention('GOVERNANCE', '2036-01-01T00:00:00Z'), bypass)
        yield 'take away', put_retention(b'<Retention/>', bypass)
        yield 'legal hold', self.ask('PUT', self.bucket, key, {**at, 'legal-hold': ''}, md5(release), release)
        yield 'overwrite', self.ask('PUT', self.bucket, key, body=b'encrypted by somebody else')
        yield 'overwrite with another object', self.ask(
            'PUT', self.bucket, key, headers={'x-amz-copy-source': '/%s/%s' % (self.bucket, self.other_key)})
        yield 'copy onto itself', self.ask(
            'PUT', self.bucket, key, headers={'x-amz-copy-source': '/%s/%s?versionId=%s' % (self.bucket, key, version),
                                              'x-amz-metadata-directive': 'REPLACE'})
        yield 'hide', self.ask('DELETE', self.bucket, key)
        begun = self.ask('POST', self.bucket, key, {'uploads': ''})
        upload = re.search(rb'<UploadId>(.*?)</UploadId>', begun.body).group(1).decode()
        part = self.ask('PUT', self.bucket, key, {'partNumber': '1', 'uploadId': upload}, body=b'x')
        whole = ('<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>'
                 '</CompleteMultipartUpload>' % part.headers['etag']).encode()
        yield 'overwrite by parts', self.ask('POST', self.bucket, key, {'uploadId': upload}, body=whole)

    def attacks_on_the_bucket(self):
        suspended = b'<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>'
        yield 'suspend versions', self.ask('PUT', self.bucket, query={'versioning': ''}, body=suspended)
        ages = (b'<LifecycleConfiguration><Rule><ID>x</ID><Prefix></Prefix><Status>Enabled</Status><Expiration><Days>1</Days>'
                b'</Expiration><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>'
                b'</Rule></LifecycleConfiguration>')
        yield 'age out', self.ask('PUT', self.bucket, query={'lifecycle': ''}, headers=md5(ages), body=ages)
        disabled = b'<ObjectLockConfiguration/>'
        yield 'no locks', self.ask('PUT', self.bucket, query={'object-lock': ''}, headers=md5(disabled), body=disabled)
        yield 'delete the bucket', self.ask('DELETE', self.bucket)
        yield 'acl', self.ask('PUT', self.bucket, query={'acl': ''}, headers={'x-amz-acl': 'public-read-write'})

    def test_nothing_that_is_locked_is_lost_to_attacks(self):
        points = self.locked()
        before = {(key, version) for key, version, _ in self.versions() if '/probes/' not in key}
        locked = sorted((key, version) for key, version in before if not re.search('/(index|marks)/', key))
        self.other_key = locked[0][0]
        tries = 0
        kinds = set()
        for key, version in locked:
            kinds.add(key.split('/')[1])
            for name, answer in self.attacks(key, version):
                tries += 1
                # What is answered with success is a newer version, or a mark; the locked one stays as it is.
                if name.startswith(('delete version', 'shorten', 'weaken', 'take', 'overwrite by copy')):
                    self.assertFalse(answer.ok, '%s of %s: %d' % (name, key, answer.status))
        for name, answer in self.attacks_on_the_bucket():
            tries += 1
            if name == 'age out':
                # A day of the gateway's life cycle takes ten seconds here; it works twice meanwhile.
                self.assertTrue(answer.ok)
                time.sleep(25)
                continue
            if name != 'acl':
                self.assertFalse(answer.ok, name)
        self.assertTrue({'config', 'keys', 'data', 'points'} <= kinds, kinds)
        self.assertGreaterEqual(tries, 50)
        # Marks and the index are not locked: the packs' own tables tell what is in them.
        for key, version, _ in self.versions():
            if re.search('/(index|marks)/', key):
                self.assertTrue(self.ask('DELETE', self.bucket, key, {'versionId': version}).ok)
        left = {(key, version) for key, version, _ in self.versions()}
        self.assertEqual(set(locked) - left, set())
        self.assert_all_restores(points, 'attacked')
        self.assertEqual([p['id'] for p in self.points()], points)
        document = self.check('--locks', '--read-data', expect=13).json
        self.assertEqual(document['unprotected'], 0)
        self.assertEqual([text[:15] for text in document['problem_texts']], ['the index lacks'])
        self.run_program(['repair'])
        self.assert_check_clean()
        points.append(self.change())
        self.assert_all_restores(points, 'later')
