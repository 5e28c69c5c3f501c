"""Commands as processes of their own, forked from one that has imported mlcli: a tenth of what starting each anew costs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from importlib import import_module


def serve() -> None:
    """Answer each line, {argv, cwd, env, input}, with one, {code, out, err}: the command's, run in a child."""
    from mlcli.__main__ import main
    from mlcli.cli.app import COMMANDS

    for entry in COMMANDS.values():
        import_module(f"mlcli.cli.{entry.module}")
    for verb in ("registry", "tracking", "lineage", "comparison", "trash", "doctor", "execution", "serving", "gitrepo"):
        import_module(f"mlcli.{verb}")
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(asked["input"].encode())
            given.seek(0)
            child = os.fork()
            if child == 0:
                for number, file in enumerate((given, out, err)):
                    os.dup2(file.fileno(), number)
                try:
                    os.chdir(asked["cwd"])
                    os.environ.clear()
                    os.environ.update(asked["env"])
                    sys.argv = ["mlcli", *asked["argv"]]
                    main()
                except BaseException:  # what main lets through is what a test is to see
                    traceback.print_exc()
                os._exit(99)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            told = [file.seek(0) or file.read().decode("utf-8", "surrogateescape") for file in (out, err)]
            answer = {"code": code, "out": told[0], "err": told[1]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path.pop(0)
    serve()
