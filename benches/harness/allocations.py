"""Allocations of one request, and bytes of one client, counted in the tests' own process: exact, whatever the machine."""
import os
import re
import subprocess

from . import machine


def count():
    out = subprocess.run(["cargo", "test", "--quiet", "--locked", "-p", "oidc-provider", "--test", "http", "allocations::",
                          "--", "--nocapture", "--test-threads", "1"],
                         cwd=machine.ROOT, env={**os.environ, **machine.BUILD}, check=True, stdout=subprocess.PIPE, text=True).stdout
    requests = re.findall(r"allocations of (\w+): (\d+), (\d+) bytes", out)
    each = re.search(r"bytes a client: .* (\d+) in all", out)[1]
    return {"allocations": requests, "bytes_a_client": int(each)}
