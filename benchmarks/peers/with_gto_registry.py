"""GTO: each version and each promotion is an annotated tag."""

import subprocess

VERSION, STAGE = "iris@v0.0.{}", "iris#production#{}"
TOLD = {
    VERSION: "Registering artifact iris version v0.0.{}",
    STAGE: "Assigning stage production to artifact iris version v0.0.{}",
}


def commands(number):
    return {
        "register": ["gto", "register", "iris", _commit(number)],
        "promote": ["gto", "assign", "iris", "--version", f"v0.0.{number}", "--stage", "production"],
        "resolve": ["gto", "show", "iris#production", "--version"],
    }


def operations(number):
    from gto import api

    commit = _commit(number)
    return {
        "register": lambda: api.register(".", "iris", commit),
        "promote": lambda: api.assign(".", "iris", "production", version=f"v0.0.{number}"),
        "resolve": lambda: api.find_versions_in_stage(".", "iris", "production"),
    }


def ask_make(count, spare):
    """The tags as gto makes them, by git at once; a commit for each, as one commit can be registered once."""
    told = ["reset refs/heads/main\n"]
    for number in range(1, int(count) + int(spare) + 1):
        who = f"Ada Lovelace <ada@example.com> {1_700_000_000 + number * 10} +0000"
        told.append(f"commit refs/heads/main\nmark :{number}\ncommitter {who}\ndata 1\n.\n")
        for tag, message in TOLD.items() if number <= int(count) else ():
            text = message.format(number)
            told.append(f"tag {tag.format(number)}\nfrom :{number}\ntagger {who}\ndata {len(text)}\n{text}\n")
    subprocess.run(["git", "fast-import", "--quiet", "--force"], input="".join(told).encode(), check=True)
    subprocess.run(["git", "pack-refs", "--all"], check=True)  # as a clone has them
    return {}


def _commit(number):
    told = subprocess.run(["git", "rev-list", "--reverse", "main"], capture_output=True, text=True, check=True)
    return told.stdout.split()[number - 1]
