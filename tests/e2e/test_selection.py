"""Which restore points are meant: ids, prefixes, latest, filters; deleting and holding them."""
import os
import unittest

from harness import E2E


class Selection(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        self.write('file', 'x')
        self.env['HOLDFAST_HOST'] = 'here'

    def point(self, *args):
        return self.backup(*args)['restore_point']

    def shown(self, *args, expect=0):
        result = self.run_program(['--json', 'show', *args], expect=expect)
        return result.json['id'] if expect == 0 else result

    def ids(self, *args):
        return [p['id'] for p in self.points(*args)]

    def test_ids_and_prefixes(self):
        one, two = self.point(), self.point()
        self.assertEqual(self.shown(one), one)
        length = next(n for n in range(1, 33) if one[:n] != two[:n])
        self.assertEqual(self.shown(one[:length]), one)
        self.assertEqual(self.shown(two[:length]), two)

    def test_ambiguous_prefix_lists_the_candidates(self):
        ids = [self.point() for _ in range(17)]  # sixteen digits: two begin with the same
        digits = [i[0] for i in ids]
        digit = next(d for d in digits if digits.count(d) > 1)
        result = self.shown(digit, expect=2)
        for one in ids:
            self.assertEqual(one[:12] in result.err, one[0] == digit, result.err)

    def test_unknown_points(self):
        self.point()
        self.assertIn('0123456789abcdef', self.shown('0123456789abcdef', expect=1).err)
        self.assertIn('not-an-id', self.shown('not-an-id', expect=2).err)

    def test_latest(self):
        self.point()
        two = self.point()
        self.assertEqual(self.shown('latest'), two)
        self.assertEqual(self.shown('latest', '--source', self.source), two)
        self.assertEqual(self.shown('latest', '--source', 'files:' + self.source), two)
        self.assertEqual(self.shown('latest', '--name', self.source), two)

    def test_latest_in_an_empty_repository(self):
        self.shown('latest', expect=1)
        self.assertEqual(self.points(), [])

    def test_latest_of_several_sources_is_ambiguous(self):
        one, two = self.point(), self.point('--name', 'other')
        result = self.shown('latest', expect=2)
        self.assertIn(one[:12], result.err)
        self.assertIn(two[:12], result.err)
        self.assertEqual(self.shown('latest', '--name', 'other'), two)

    def test_latest_is_of_this_host(self):
        mine, theirs = self.point(), self.point('--host', 'web2')
        self.assertEqual(self.shown('latest'), mine)
        self.assertEqual(self.shown('latest', '--host', 'web2'), theirs)
        self.env['HOLDFAST_HOST'] = 'web2'
        self.assertEqual(self.shown('latest'), theirs)
        self.env['HOLDFAST_HOST'] = 'nobody'
        self.shown('latest', expect=1)

    def test_latest_of_another_host_names_the_hosts(self):
        self.point('--host', 'web2', '--name', 'www')
        self.point('--host', 'web3', '--name', 'www')
        self.point('--host', 'web4', '--name', 'other')
        err = self.shown('latest', '--name', 'www', expect=1).err
        self.assertIn("no restore point of this host 'here' matches", err)
        self.assertIn('--host one that has one: web2, web3"', err)
        err = self.shown('latest', '--name', 'none', '--host', 'web9', expect=1).err
        self.assertIn("no restore point of host 'web9' matches\"", err)

    def test_source_is_resolved_as_backup_does(self):
        one = self.point()
        os.symlink('source', self.path('link'))
        for text in ('source', './source/', 'source/.', 'files:source', '../%s//source' %
                     os.path.basename(self.tmp), self.path('link'), self.source + '/'):
            result = self.run_program(['--json', 'show', 'latest', '--source', text], cwd=self.tmp)
            self.assertEqual(result.json['id'], one, text)
            result = self.run_program(['--json', 'list', '--source', text], cwd=self.tmp)
            self.assertEqual(len(result.json['restore_points']), 1, text)
        result = self.run_program(['--json', 'show', 'latest', '--source', '.'], cwd=self.source)
        self.assertEqual(result.json['id'], one)
        self.run_program(['show', 'latest', '--name', 'source'], cwd=self.tmp, expect=1)
        os.unlink(self.path('source', 'file'))
        os.rmdir(self.source)  # what is to be restored may be gone
        self.run_program(['show', 'latest', '--source', 'source/'], cwd=self.tmp)

    def test_empty_filters_and_identities_are_usage_errors(self):
        self.point()
        for option in ('--host', '--name', '--tag', '--source'):
            for args in (['list'], ['show', 'latest'], ['find', '*'],
                         ['restore', 'latest', '--target', self.path('t')]):
                self.assertIn('empty', self.run_program([*args, option, ''], expect=2).err)
        for option in ('--host', '--name', '--tag'):
            self.assertIn('empty', self.run_program(['backup', self.source, option, ''], expect=2).err)

    def test_host_name_is_the_machines(self):
        del self.env['HOLDFAST_HOST']
        self.assertEqual(self.backup()['host'], os.uname().nodename)

    def test_tags(self):
        a = self.point('--tag', 'daily', '--tag', 'blue')
        b = self.point('--tag', 'daily')
        self.assertEqual(self.ids('--tag', 'daily'), [a, b])
        self.assertEqual(self.ids('--tag', 'daily', '--tag', 'blue'), [a])
        self.assertEqual(self.shown('latest', '--tag', 'blue'), a)
        self.assertEqual(self.points()[0]['tags'], ['daily', 'blue'])

    def test_at_and_time(self):
        a = self.point('--time', '2021-03-01T10:00:00Z')
        b = self.point('--time', '2021-03-02T12:00:00+02:00')
        self.assertEqual([p['time'] for p in self.points()],
                         ['2021-03-01T10:00:00Z', '2021-03-02T10:00:00Z'])
        self.assertEqual(self.shown('latest', '--at', '2021-03-02'), a)
        self.assertEqual(self.shown('latest', '--at', '2021-03-02T10:00:00Z'), b)
        self.assertEqual(self.shown('latest', '--at', '2021-03-02T09:59:59.999999999Z'), a)
        self.shown('latest', '--at', '2021-02-28T00:00:00Z', expect=1)
        self.assertIn('yesterdayish', self.shown('latest', '--at', 'yesterdayish', expect=2).err)
        self.run_program(['backup', '--time', '2021-13-01', self.source], expect=2)

    def test_points_are_in_order_of_time(self):
        late = self.point('--time', '2022-01-01T00:00:00Z')
        early = self.point('--time', '2020-01-01T00:00:00Z')
        self.assertEqual(self.ids(), [early, late])
        self.assertEqual(self.shown('latest'), late)

    def test_two_hosts_with_the_same_path(self):
        one = self.backup('--host', 'web1')
        self.write('file', 'of the other host')
        two = self.backup('--host', 'web2')
        # Not the other host's point is the parent.
        self.assertEqual((one['type'], two['type']), ('full', 'full'))
        self.assertEqual(self.run_program(['cat', 'latest:file', '--host', 'web1']).stdout, b'x')
        self.assertEqual(self.run_program(['cat', 'latest:file', '--host', 'web2']).stdout,
                         b'of the other host')
        self.assertEqual(self.ids('--host', 'web1'), [one['restore_point']])

    def test_delete_and_undelete(self):
        one, two = self.point(), self.point()
        self.run_program(['delete', two])
        self.assertEqual(self.ids(), [one])
        self.assertEqual(self.ids('--deleted'), [one, two])
        self.assertEqual(self.shown('latest'), one)
        self.run_program(['restore', two, '--target', self.path('t')], expect=1)
        self.run_program(['undelete', two])
        self.assertEqual(self.ids(), [one, two])
        self.assert_check_clean()

    def test_deleted_points_are_named_as_such(self):
        one, two = self.point(), self.point()
        self.run_program(['delete', two])
        for args in (['ls', two], ['cat', two + ':file'], ['hold', two], ['release', two],
                     ['find', '*', '--in', two], ['diff', one, two],
                     ['restore', two, '--target', self.path('t')]):
            err = self.run_program(args, expect=1).err
            self.assertIn('restore point %s is deleted; undelete it first' % two[:12], err)
        self.assertEqual(self.run_program(['delete', two]).text, 'deleted %s\n' % two[:12])
        self.run_program(['delete', 'latest'])
        self.assertEqual(self.ids(), [])
        self.run_program(['undelete', one, two])
        self.run_program(['hold', two])

    def test_delete_several(self):
        ids = [self.point() for _ in range(3)]
        self.run_program(['delete', ids[0], ids[1]])
        self.assertEqual(self.ids(), [ids[2]])

    def test_delete_is_all_or_nothing_when_one_is_unknown(self):
        one = self.point()
        self.run_program(['delete', one, '0123456789abcdef'], expect=1)
        self.assertEqual(self.ids(), [one])

    def test_reasons_are_shown(self):
        one = self.point()
        self.assertNotIn('hold', self.run_program(['--json', 'show', one]).json)
        self.run_program(['delete', one, '--reason', 'too large'])
        self.run_program(['undelete', one])
        self.run_program(['hold', one, '--reason', 'court case'])
        document = self.run_program(['--json', 'show', one]).json
        self.assertEqual(document['hold']['reason'], 'court case')
        self.assertRegex(document['hold']['time'], r'^\d{4}-\d\d-\d\dT')
        self.assertNotIn('deletion', document)
        self.assertRegex(self.run_program(['show', one]).text, r'held +since 2\S+: court case\n')
        self.run_program(['release', one])
        self.run_program(['delete', one, '--reason', 'too large'])
        self.assertRegex(self.run_program(['show', one]).text, r'deleted +since 2\S+: too large\n')
        document = self.run_program(['--json', 'show', one]).json
        self.assertEqual(document['deletion']['reason'], 'too large')

    def test_held_points_are_not_deleted(self):
        one = self.point()
        self.run_program(['hold', one, '--reason', 'court case'])
        self.assertTrue(self.points()[0]['held'])
        self.assertIn('held', self.run_program(['delete', one], expect=15).err)
        self.run_program(['release', one])
        self.run_program(['delete', one])
        self.assertEqual(self.ids(), [])


if __name__ == '__main__':
    unittest.main()
