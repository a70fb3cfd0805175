"""`schedule`: the next times, and what systemd and cron are told."""
import datetime
import os
import re
import shutil
import subprocess
import unittest

from harness import needs_root, program
from test_config import ConfigWorld


def needs_systemd_analyze(test):
    return unittest.skipUnless(shutil.which('systemd-analyze'), 'needs systemd-analyze')(test)


class Schedule(ConfigWorld):
    def configure_schedules(self, *schedules, more=''):
        text = self.repository()
        for number, schedule in enumerate(schedules):
            text += '[policy.p%d]\nschedule = "%s"\n' % (number, schedule)
            text += '[source.s%d]\npath = "%s"\nrepository = "main"\npolicy = "p%d"\n%s\n' % (
                number, self.source, number, more)
        self.configure(text)

    def preview(self, *args, **options):
        return self.run_program(['--json', 'schedule', 'preview', *args], **options).json['times']

    def test_preview(self):
        self.configure_schedules('daily', 'Mon 06:00')
        times = self.preview('-n', '4', '--from', '2026-11-28T12:00:00Z')
        self.assertEqual([(t['time'], t['policy'], t['sources']) for t in times],
                         [('2026-11-29T00:00:00Z', 'p0', ['s0']), ('2026-11-30T00:00:00Z', 'p0', ['s0']),
                          ('2026-11-30T06:00:00Z', 'p1', ['s1']), ('2026-12-01T00:00:00Z', 'p0', ['s0'])])
        text = self.run_program(['schedule', 'preview', 'p1', '-n', '1', '--from', '2026-11-28'],
                                env={'TZ': 'Europe/Paris'}).text
        self.assertEqual(text, 'Mon 2026-11-30 06:00:00 CET  p1  (s1)\n')
        self.assertEqual(len(self.preview()), 10)
        self.run_program(['schedule', 'preview', 'p9'], expect=2)
        self.run_program(['schedule', 'preview', '-n', '0'], expect=2)

    def test_clocks_that_change(self):
        self.configure_schedules('02:30')
        paris = {'TZ': 'Europe/Paris'}
        spring = self.preview('-n', '3', '--from', '2026-03-28T00:00:00Z', env=paris)
        self.assertEqual([t['time'] for t in spring],
                         ['2026-03-28T01:30:00Z', '2026-03-29T01:00:00Z', '2026-03-30T00:30:00Z'])
        autumn = self.preview('-n', '3', '--from', '2026-10-24T00:00:00Z', env=paris)
        self.assertEqual([t['time'] for t in autumn],
                         ['2026-10-24T00:30:00Z', '2026-10-25T00:30:00Z', '2026-10-26T01:30:00Z'])

    @needs_systemd_analyze
    def test_the_same_times_as_systemd(self):
        schedules = ['minutely', 'hourly', 'daily', 'weekly', 'monthly', 'quarterly', 'semiannually', 'yearly',
                     'Mon..Fri 02:30', 'Sat,Sun 22:00', '*-*-01 04:00', '02-29', '0/6:15', '8..17/4:00,30',
                     'Sat *-*-1..7 03:00:30', '*-1,7-15 12:00', '2027..2031/2-06-01', 'Tue 0/7:1/13:5', 'monday',
                     '*-*-31 23:59:59', '*:0/20', '*-02/3-10..20/5 01:00']
        for schedule in schedules:
            with self.subTest(schedule):
                done = subprocess.run(['systemd-analyze', 'calendar', '--iterations=8',
                                       '--base-time=2026-11-27 13:14:15 UTC', schedule],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment())
                output = done.stdout.decode()
                self.assertEqual(done.returncode, 0, output)
                expected = re.findall(r'(?:Next elapse|Iter\. #\d+|Iteration #\d+): \w+ (\S+) (\S+) UTC', output)
                self.configure_schedules(schedule)
                times = self.preview('-n', '8', '--from', '2026-11-27T13:14:15Z')
                self.assertEqual([t['time'] for t in times], ['%sT%sZ' % pair for pair in expected], output)
        # What is no time here is none to systemd.
        for schedule in ('Fri..Mon', '25:00', '12:60', '*-13-01', '*/5:00', '10..8:00'):
            done = subprocess.run(['systemd-analyze', 'calendar', schedule], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
            self.assertNotEqual(done.returncode, 0, schedule)
            self.configure_schedules(schedule)
            self.run_program(['schedule', 'preview'], expect=2)

    def install(self, *args, **options):
        return self.run_program(['--json', 'schedule', *args, '--directory', self.path('units')], **options).json

    def units(self):
        return sorted(os.listdir(self.path('units'))) if os.path.exists(self.path('units')) else []

    def test_install_and_remove(self):
        self.configure_schedules('daily', 'Mon 06:00')
        dry = self.install('install', '--dry-run')
        self.assertEqual(self.units(), [])
        done = self.install('install')
        self.assertEqual(dry, done)
        names = ['holdfast-run@p%d.%s' % (n, kind) for n in (0, 1) for kind in ('service', 'timer')]
        self.assertEqual(self.units(), names)
        with open(self.path('units', 'holdfast-run@p1.timer')) as file:
            timer = file.read()
        for part in ('OnCalendar=Mon 06:00\n', 'Persistent=true\n', 'RandomizedDelaySec=', 'WantedBy=timers.target'):
            self.assertIn(part, timer)
        with open(self.path('units', 'holdfast-run@p1.service')) as file:
            service = file.read()
        self.assertIn('ExecStart="%s" --config "%s" run p1\n' % (program(), self.config), service)
        self.assertIn('Environment="HOLDFAST_STATE_DIR=%s"\n' % self.state, service)
        # What is of no more use goes; what is not ours stays.
        own = os.path.join(self.path('units'), 'holdfast-run@mine.service')
        with open(own, 'w') as file:
            file.write('[Service]\n')
        self.configure_schedules('daily')
        commands = self.install('install')['commands']
        self.assertIn('holdfast-run@mine.service', self.units())
        self.assertNotIn('holdfast-run@p1.timer', self.units())
        self.assertTrue(commands[0].endswith('disable --now holdfast-run@p1.timer'), commands)
        self.install('remove')
        self.assertEqual(self.units(), ['holdfast-run@mine.service'])
        self.assertEqual(self.install('remove')['files'], [])
        with open(self.path('units', 'holdfast-run@p0.service'), 'w') as file:
            file.write('[Service]\n')
        self.run_program(['schedule', 'install', '--directory', self.path('units')], expect=1)

    def two_policies(self, more=''):
        self.configure(more + ''.join(
            '[repository.r{0}]\nurl = "{1}"\npassphrase = {{credential = "secret{0}"}}\n[policy.p{0}]\nschedule = "daily"\n'
            '[source.s{0}]\npath = "{2}"\nrepository = "r{0}"\npolicy = "p{0}"\n'.format(n, self.path('repo%d' % n), self.source)
            for n in (0, 1)))

    def service(self, name):
        with open(self.path('units', 'holdfast-run@%s.service' % name)) as file:
            return file.read().splitlines()

    def test_a_run_that_measures_reaches_all_that_it_measures(self):
        self.two_policies()
        self.install('install')
        self.assertIn('LoadCredentialEncrypted=secret0', self.service('p0'))
        self.assertNotIn('LoadCredentialEncrypted=secret1', self.service('p0'))
        self.two_policies('metrics_file = "/var/lib/prometheus/node-exporter/holdfast.prom"\n')
        self.install('install')
        self.assertIn('LoadCredentialEncrypted=secret1', self.service('p0'))
        if os.getuid() == 0:
            # Were it a StateDirectory of the unit, systemd would change its owner and mode.
            self.assertIn('ReadWritePaths=-"/var/lib/prometheus/node-exporter"', self.service('p0'))
            self.assertEqual([line for line in self.service('p0') if 'prometheus' in line and 'Directory' in line], [])

    def test_cron_has_no_credentials(self):
        self.two_policies()
        done = self.run_program(['--json', 'schedule', 'install', '--cron', '--directory', self.path('units')], expect=1)
        self.assertIn('secret0', done.error['message'])
        self.assertEqual(self.units(), [])

    def test_nothing_is_scheduled(self):
        self.configure(self.repository() + '[policy.p]\nschedule = "daily"\n')
        self.run_program(['schedule', 'install', '--directory', self.path('units')], expect=2)

    def verify(self):
        units = [self.path('units', name) for name in self.units()]
        done = subprocess.run(['systemd-analyze', 'verify', '--man=no', *units], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=self.environment())
        complaints = [line for line in done.stdout.decode().splitlines() if 'holdfast-run' in line]
        self.assertEqual(complaints, [])
        self.assertEqual(done.returncode, 0, done.stdout)

    @needs_root
    @needs_systemd_analyze
    def test_systemd_takes_the_units(self):
        self.configure_schedules('Mon..Fri 02:30')
        with open(self.config, 'a') as file:
            file.write('[repository.odd]\nurl = "%s"\npassphrase = {credential = "odd"}\n'
                       '[policy.hooked]\nschedule = "daily"\ncopies = ["odd"]\n'
                       '[source.dump]\npath = "/tmp"\nrepository = "odd"\npolicy = "hooked"\n'
                       'hooks.before = "true"\n' % self.path('odd %i $name'))
        self.install('install')
        self.assertEqual(len(self.units()), 4)
        self.verify()
        with open(self.path('units', 'holdfast-run@hooked.service')) as file:
            text = file.read()
        self.assertIn('LoadCredentialEncrypted=odd\n', text)
        self.assertNotIn('PrivateTmp', text)
        self.assertNotIn('CapabilityBoundingSet', text)
        # In the default places, and with nothing below /tmp.
        self.configure('[repository.m]\nurl = "/srv/x"\n[policy.p0]\nschedule = "daily"\n'
                       '[source.s]\npath = "/home"\nrepository = "m"\npolicy = "p0"\n')
        self.install('install', env={'HOLDFAST_CACHE_DIR': None, 'HOLDFAST_STATE_DIR': None})
        with open(self.path('units', 'holdfast-run@p0.service')) as file:
            text = file.read()
        for part in ('StateDirectory="holdfast/state"\nCacheDirectory="holdfast"\n', 'ReadWritePaths=-"/srv/x"\n',
                     'PrivateTmp=yes\n', 'CapabilityBoundingSet=CAP_DAC_READ_SEARCH\n'):
            self.assertIn(part, text)
        self.verify()
        # The bar for what reads a whole system is 2.5.
        done = subprocess.run(['systemd-analyze', 'security', '--offline=true', '--no-pager', '--threshold=25',
                               self.path('units', 'holdfast-run@p0.service')], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout.decode()[-400:])

    def test_cron(self):
        self.configure_schedules('Mon..Fri 02:30', '0/6:15')
        done = self.install('install', '--cron')
        self.assertEqual(self.units(), ['holdfast'])
        lines = [line for line in done['files'][0]['text'].splitlines() if ' run p' in line]
        user = 'root ' if os.geteuid() == 0 else ''
        call = "%s'%s' --quiet --config '%s' run " % (user, program(), self.config)
        self.assertEqual(lines, ['30 2 * * 1-5 ' + call + 'p0', '15 0,6,12,18 * * * ' + call + 'p1'])
        self.install('remove', '--cron')
        self.assertEqual(self.units(), [])
        self.configure_schedules('12:00:30')
        self.assertIn('cron knows neither', self.run_program(['schedule', 'install', '--cron', '-n'], expect=1).err)

    @needs_root
    def test_the_units_of_a_user(self):
        self.configure_schedules('daily')
        os.chown(self.path('home'), 65534, 65534)
        done = self.run_program(['--json', 'schedule', 'install', '--dry-run'], user=65534).json
        self.assertEqual(done['files'][0]['path'], self.path('home', 'config', 'systemd', 'user', 'holdfast-run@p0.service'))
        self.assertNotIn('CapabilityBoundingSet', done['files'][0]['text'])
        self.assertTrue(done['commands'][0].startswith('systemctl --user '))
        self.run_program(['schedule', 'install', '--cron'], user=65534, expect=1)
