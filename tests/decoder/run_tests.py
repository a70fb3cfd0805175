"""Runs the tests of this directory: run_tests.py PROGRAM"""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


def main(arguments):
    if len(arguments) != 1:
        print(__doc__)
        return 2
    os.environ['HOLDFAST_PROGRAM'] = os.path.abspath(arguments[0])
    tests = unittest.defaultTestLoader.discover(HERE)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    failed = len(result.failures) + len(result.errors)
    # What a whole class needs can fail before any of its tests has run.
    print('%d passed, %d failed' % (max(0, result.testsRun - failed), failed))
    return 0 if result.wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
