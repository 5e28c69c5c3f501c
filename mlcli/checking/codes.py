"""Every code that a finding can have: what it says, and what mends it. The docs and SARIF's rules say it too."""

from __future__ import annotations

_COPY = "Restore the content from a backup, or from the clone that made it; else run and register again."
_FIX = "`mlcli doctor --fix`."
_COMMIT_AGAIN = "Commit, then run and register again."
_FETCH = "Fetch the refs of whoever made it: `git fetch origin 'refs/mlruns/*:refs/mlruns/*'`."
_DOCUMENT = (
    "Take the document from a commit that has it: `git checkout -- FILE`. `mlcli doctor` examines the whole store."
)

CODES = {
    "corrupt": ("A document of the registry was edited, damaged or holds an unresolved merge.", _DOCUMENT),
    "newer-format": ("A document was written by a newer mlcli.", "Upgrade mlcli."),
    "read-failed": ("The system does not let a document be read.", "Look at its permissions, and at the disk."),
    "event-missing": (
        "An event that others name as what came before them is not here: deleted, or left behind by a cherry-pick.",
        "`mlcli doctor --fix` brings it back from any branch; or check it out from the one that the hint names.",
    ),
    "event-future": (
        "A version or an event is dated more than five minutes ahead of this machine's clock.",
        "Set the clock; if it was the writer's, say it again there once it is right.",
    ),
    "version-missing": (
        "The history names a version that is not here, and that nobody removed.",
        "`mlcli doctor --fix` brings it back from git; where only a part is staged, `git add .mlruns/models/MODEL`.",
    ),
    "unsettled": (
        "Branches gave a name to different versions, or a version to different stages, and nobody has decided since.",
        "Decide: `mlcli promote MODEL@N STAGE`, or `mlcli alias MODEL@N NAME`. It names what both branches said.",
    ),
    "stage-disagrees": ("A stage's file does not say what the history says.", _FIX),
    "alias-disagrees": ("An alias's file does not say what the history says.", _FIX),
    "number-disagrees": ("A version lies under another number than the history gave it.", _FIX),
    "unregistered": ("A version's registration is not told by the history.", _FIX),
    "name-twins": (
        "Two models have names that differ in case or in Unicode's spelling only: some systems keep one of them.",
        "Register under one of the names, and remove the versions of the other.",
    ),
    "forced": (
        "A version was promoted past gates that it did not meet. A note once it stands there no more.",
        "Promote a version that meets them. What was done is told for ever.",
    ),
    "gate": (
        "A version in Staging or Production does not meet the gates of its stage.",
        "`mlcli rollback MODEL STAGE`, or promote a version that meets them.",
    ),
    "unsigned": (
        "The event that put a version where it stands, or gave an alias or an approval, carries no signature; a note "
        "of events that others have followed since (only with `--signed`).",
        "`sign = true` in `[tool.mlcli]` has all that is done from then on signed; then promote it anew.",
    ),
    "signature-bad": (
        "The signature of an event is of another text, or by a key that is not allowed (only with `--signed`).",
        "Look at who wrote it; allow the key in `gpg.ssh.allowedSignersFile` where it is right.",
    ),
    "no-commit": ("The run of a version has no commit: its code is not known.", _COMMIT_AGAIN),
    "commit-missing": (
        "The commit that a version was made from is not in this repository.",
        f"`git fetch --all`. {_FETCH}",
    ),
    "commit-unreachable": (
        "The commit that a version was made from is on no branch or tag: amended, rebased, or its branch was deleted.",
        "Let a branch lead to it: `git branch keep-… COMMIT`.",
    ),
    "dirty": ("A version was made from code that was not committed.", _COMMIT_AGAIN),
    "snapshot-missing": ("The commit that keeps uncommitted code is not in this repository.", _FETCH),
    "snapshot-damaged": (
        "A part of the uncommitted code that was kept cannot be read.",
        f"`git fsck` tells more. {_FETCH}",
    ),
    "snapshot-unkept": ("No ref leads to the commit that keeps uncommitted code: git will drop it.", _FIX),
    "run-unfinished": ("The run of a version failed, was killed, or had not ended.", "Run and register again."),
    "artifact-missing": (
        "The content of a version's file is not here. A note, once a model, in clones that do not have the run either.",
        _COPY,
    ),
    "artifact-altered": ("The content of a version's file does not match its digest.", _COPY),
    "artifact-scrubbed": (
        "The content of a version's file held a secret, and was taken out.",
        "Run and register again.",
    ),
    "model-unknown": (
        "A model file is about to be committed that no registered version knows (only `check-files`).",
        "Register it: `mlcli register`; or leave it out: `git restore --staged FILE`, and a line in `.gitignore`.",
    ),
    "file-large": (
        "A file above the size limit is about to be committed (only `check-files`).",
        "`git restore --staged FILE`, and a line in `.gitignore`; or another `--max-size`.",
    ),
    "store-local": (
        "What belongs to runs, and stays on this machine, is about to be committed (only `check-files`).",
        "`git restore --staged FILE`. `mlcli doctor --fix` writes `.mlruns/.gitignore` again.",
    ),
    "git": ("Git could not answer.", "The hint tells what git wants."),
}
