"""Guild AI: a run is a process that `guild run` starts; params are the globals of a script, metrics lines it prints."""

import os
import subprocess
import sys

os.environ["GUILD_HOME"] = os.path.abspath(".guild")
GUILD = os.path.join(os.path.dirname(sys.executable), "guild")
LACKS = dict.fromkeys(("points", "ten"), "metrics are lines of output") | dict.fromkeys(
    ("artifact", "directory"), "files are what the run's process writes"
)


def prepare():
    os.makedirs(os.environ["GUILD_HOME"])
    with open("train.py", "w") as file:
        file.write("".join(f"p{key} = {key}\n" for key in range(10)))
        file.write("".join(f"print('m{key}: {float(key)}')\n" for key in range(10)))
        file.write("open('artifact', 'w').write('x' * 1000)\n")


def run(number, path):
    params = [f"p{key}={number * key}" for key in range(10)]
    subprocess.run([GUILD, "run", "train.py", "-y", *params], check=True, capture_output=True)


def count():
    return len(os.listdir(os.path.join(os.environ["GUILD_HOME"], "runs")))
