"""synthesize: a full restore point without the source."""
import os
import random
import shutil

from harness import E2E


class Synthesize(E2E):
    def setUp(self):
        super().setUp()
        self.init()
        rng = random.Random(1)
        for number in range(60):
            self.write('file%02d' % number, rng.randbytes(20000))
        for _ in range(5):
            self.write('file%02d' % rng.randrange(60), rng.randbytes(20000))
            self.settle()
            self.last = self.backup()['restore_point']

    def test_a_synthetic_full_needs_no_source_and_no_other_point(self):
        shutil.move(self.source, self.path('kept'))
        made = self.run_program(['--json', 'synthesize', 'latest']).json
        self.assertEqual(made['from'], self.last)
        self.assertGreater(made['bytes_read'], 60 * 20000)
        point = [p for p in self.points() if p['id'] == made['restore_point']][0]
        self.assertEqual(point['type'], 'synthetic-full')
        others = [p['id'] for p in self.points() if p['id'] != point['id']]
        self.run_program(['delete', *others])
        self.run_program(['prune'])
        self.assert_check_clean()
        self.restore(point['id'])
        self.assert_trees_equal(self.path('kept'), self.path('target'))
        shutil.move(self.path('kept'), self.source)
        self.assertEqual(self.backup('--type', 'differential')['type'], 'differential')

    def test_damage_leaves_nothing_behind(self):
        before = {p['id'] for p in self.points()}
        for name, _ in self.objects('data'):
            os.unlink(os.path.join(self.repo, name))
        largest = max(self.objects('points'), key=lambda one: one[1])[0]
        os.unlink(os.path.join(self.repo, largest))
        self.run_program(['synthesize', self.last], expect=(1, 13))
        self.assertEqual({p['id'] for p in self.points()} - before, set())

    def test_no_such_point(self):
        self.run_program(['synthesize', 'ffffffff'], expect=1)
