#!/bin/sh
# The main job on real data, in a temporary git repository of its own: `make demo`. KEEP=1 keeps the repository.
# Exits with 0 only if every step did what it should, the refusal at the end included.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/mlcli-demo.XXXXXX")
leave() {
    if [ -n "${KEEP:-}" ]; then echo "The repository is in $work" >&2; else rm -rf "$work"; fi
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Nothing of the caller's git, mlcli or Python settings changes what is shown.
for name in $(env | sed -nE 's/^((GIT|MLCLI|PYTHON)[A-Z_]*)=.*/\1/p'); do unset "$name"; done
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_PAGER=cat

if [ -t 1 ]; then bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m'); else bold='' dim='' plain=''; fi

note() {
    printf '\n%s# %s%s\n' "$dim" "$1" "$plain"
}

run() { # a command line, as one word; it is shown, run, and must exit with $2 (0)
    printf '%s$ %s%s\n' "$bold" "$1" "$plain"
    code=0
    eval "$1" || code=$?
    [ "$code" = "${2:-0}" ] || { printf 'demo: exit code %s, not %s: %s\n' "$code" "${2:-0}" "$1" >&2; exit 1; }
}

cd "$work"
git init --quiet
git symbolic-ref HEAD refs/heads/main
git config user.name 'Ada Lovelace'
git config user.email ada@example.com
cp "$here/train.py" .
git add train.py
git commit --quiet --message 'Grow a forest'

note 'A git repository with a training script. Nothing else is set up.'
run 'git log --oneline --stat'

note 'Run it as always, after "mlcli run --": commit, params, metrics and model are kept.'
run 'mlcli run -- python train.py --n-estimators 100 --max-depth 10'
run 'mlcli run -- python train.py --n-estimators 10 --max-depth 2'
run 'mlcli run -- python train.py --n-estimators 5 --max-depth 1'

note 'List and compare.'
run 'mlcli ls'
run 'mlcli compare @2 @1 @'

note 'Register the best one, and bring it to production; say why.'
run 'mlcli register iris best:accuracy'
run 'mlcli promote iris@1 staging -m "best of three forests"'
run 'mlcli promote iris@1 production -m "a week in staging without complaint"'
run 'git add .mlruns && git commit --quiet --message "iris@1 to production"'

note 'From production back to all it was made from, in any clone.'
run 'mlcli lineage iris@production'
run 'mlcli check --stage production'

note 'Now the script is changed, not committed, and a model of it promoted nevertheless.'
run 'echo "# a quick try, never committed" >> train.py'
run 'mlcli run -- python train.py --n-estimators 200 --max-depth 10'
run 'mlcli register iris'
run 'mlcli promote iris@2 production'

note 'What was it made from? Nobody can say. The check refuses it, in hooks and CI too.'
run 'mlcli check --stage production' 1
printf '%s# exit code 1: refused, as it should be%s\n' "$dim" "$plain"
