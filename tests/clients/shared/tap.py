"""Runs story.py as unittest does and prints TAP with the counts: python tap.py"""

import sys
import time
import unittest


class Tap(unittest.TestResult):
    def tell(self, test, failure=None):
        name = test.shortDescription() or str(test)
        took = time.monotonic() - self.started
        print(f"{'not ok' if failure else 'ok'} {self.testsRun} - {name} # {took:.2f} s", flush=True)
        for line in (failure or "").splitlines():
            print("    " + line, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.tell(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell(test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.testsRun += not hasattr(test, "_testMethodName")  # what failed may be the set-up of all
        self.started = getattr(self, "started", time.monotonic())
        self.tell(test, self.errors[-1][1])


result = Tap()
unittest.defaultTestLoader.loadTestsFromName("story").run(result)
failed = len(result.failures) + len(result.errors)
print(f"# pass {result.testsRun - failed}\n# fail {failed}")
sys.exit(failed > 0 or result.testsRun == 0)
