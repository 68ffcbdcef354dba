"""Runs one command and prints what it used.

A process of its own, because a child's peak memory starts with its parent's, and the measuring one is large.
"""

import json
import os
import subprocess
import sys

command = sys.argv[3:]
with open(sys.argv[1], "w") as out, open(sys.argv[2], "w") as err:  # noqa: PTH123 - pathlib costs memory here
    child = subprocess.Popen(command, stdout=out, stderr=err)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
print(json.dumps([child.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
