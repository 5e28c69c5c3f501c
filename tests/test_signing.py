"""Signing with the key that git signs with: what is good, what is not and why, and what is never started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pexpect
import pytest
from msgspec.structs import replace

from mlcli import registry
from mlcli.domain.stage import Stage
from mlcli.errors import CannotSign, CannotVerify
from mlcli.gates import judged
from mlcli.gitrepo.signing import ALTERED, MALFORMED, Signature
from mlcli.workspace import Workspace

ADA, GRACE = "ada@example.com", "grace@example.com"
TEXT = "sha256:" + "0" * 64


def new_key(path: Path, passphrase: str = "") -> str:
    """A new SSH key; its public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "test", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


def sign_with(path: Path, text: str, namespace: str = "mlcli") -> str:
    """What ssh-keygen itself signs."""
    asked = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", path]
    return subprocess.run(asked, input=text.encode(), capture_output=True, check=True).stdout.decode()


@pytest.fixture
def keys(machine: Path) -> Path:
    """Where keys lie."""
    (machine / "home" / ".ssh").mkdir()
    return machine / "home" / ".ssh"


@pytest.fixture
def signer(workspace, git, keys: Path) -> Workspace:
    """A workspace whose git signs with an SSH key of Ada's, which the repository's own file allows."""
    public = new_key(keys / "id")
    git("config", "--global", "gpg.format", "ssh")
    git("config", "--global", "user.signingkey", "~/.ssh/id.pub")
    git("config", "gpg.ssh.allowedSignersFile", ".allowed_signers")
    Path(workspace.root, ".allowed_signers").write_text(f"{ADA} {public}\n")
    return workspace


def allow(workspace: Workspace, *lines: str) -> Workspace:
    Path(workspace.root, ".allowed_signers").write_text("".join(f"{line}\n" for line in lines))
    return Workspace(workspace.root, now=workspace.now, new_id=workspace.new_id)


def again(workspace: Workspace) -> Workspace:
    """The workspace, with git's configuration read anew."""
    return Workspace(workspace.root, now=workspace.now, new_id=workspace.new_id)


# With SSH keys


def test_what_is_signed_is_verified_and_names_the_key(signer, keys: Path):
    listed = subprocess.run(["ssh-keygen", "-l", "-f", keys / "id.pub"], capture_output=True, text=True, check=True)
    found = signer.verify(TEXT, signer.sign(TEXT), ADA)
    assert found == Signature(good=True, by=ADA, key=listed.stdout.split()[1])


def test_the_namespace_is_our_own_so_that_ssh_keygen_verifies_it_and_git_does_not(signer):
    Path(signer.root, "signature").write_text(signer.sign(TEXT) + "\n")
    asked = ["ssh-keygen", "-Y", "verify", "-f", ".allowed_signers", "-I", ADA, "-s", "signature", "-n"]
    done = [subprocess.run([*asked, namespace], input=TEXT.encode(), capture_output=True).returncode == 0
            for namespace in ("mlcli", "git")]  # fmt: skip
    assert done == [True, False]


@pytest.mark.parametrize("of", ["private", "literal", "key::", "relative"])
def test_a_key_is_named_in_any_way_that_git_knows(signer, git, keys: Path, monkeypatch, of: str):
    shutil.copy(keys / "id", Path(signer.root, "id"))
    public = (keys / "id.pub").read_text().strip()
    named = {"private": str(keys / "id"), "literal": public, "key::": f"key::{public}", "relative": "id"}[of]
    git("config", "--global", "user.signingkey", named)
    agent = dict(
        part.partition("=")[::2]
        for part in subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout.split(";")[
            :3:2
        ]
    )
    pid = {name.strip(): value for name, value in agent.items()}
    monkeypatch.setenv("SSH_AUTH_SOCK", pid["SSH_AUTH_SOCK"])
    try:
        subprocess.run(["ssh-add", "-q", keys / "id"], check=True)
        assert again(signer).verify(TEXT, again(signer).sign(TEXT), ADA).good
    finally:
        os.kill(int(pid["SSH_AGENT_PID"]), 15)


def test_a_literal_key_that_the_agent_does_not_have_cannot_sign(signer, git, keys: Path, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    git("config", "--global", "user.signingkey", "key::" + (keys / "id.pub").read_text().strip())
    with pytest.raises(CannotSign, match="neither beside it nor with the agent"):
        again(signer).sign(TEXT)


def test_other_bytes_are_not_what_was_signed(signer):
    assert signer.verify(TEXT[:-1] + "1", signer.sign(TEXT), ADA) == Signature(good=False, reason=ALTERED)


def test_a_signature_for_another_purpose_is_none(signer, keys: Path):
    found = signer.verify(TEXT, sign_with(keys / "id", TEXT, "git"), ADA)
    assert found == Signature(good=False, reason="it was made for something else than mlcli (another namespace)")


def test_a_key_that_nobody_is_allowed_to_use_is_told_with_its_fingerprint(signer, keys: Path):
    new_key(keys / "other")
    found = signer.verify(TEXT, sign_with(keys / "other", TEXT), ADA)
    assert not found.good
    assert found.key.startswith("SHA256:")
    assert found.reason == f"the key {found.key} is not among the allowed signers"


def test_a_key_of_somebody_else_is_told_whose_it_is(signer):
    found = signer.verify(TEXT, signer.sign(TEXT), GRACE)
    assert (found.good, found.reason) == (False, f"the key {found.key} is allowed for {ADA}, and not for {GRACE}")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ('valid-before="20200101"', "had expired"),
        ('valid-after="20990101"', "was not valid yet"),
        ('namespaces="git"', 'is not allowed for mlcli: its namespaces="…" must name mlcli'),
    ],
)
def test_a_key_that_is_allowed_at_another_time_or_for_something_else_is_not_good(
    signer, keys: Path, options, told: str
):
    there = allow(signer, f"{ADA} {options} {(keys / 'id.pub').read_text().strip()}")
    found = there.verify(TEXT, there.sign(TEXT), ADA)
    assert (found.good, found.reason) == (False, f"the key {found.key} {told}")


def test_a_key_is_judged_at_the_time_that_is_asked_about(signer, keys: Path):
    there = allow(signer, f'{ADA} valid-before="20200101" {(keys / "id.pub").read_text().strip()}')
    found = [
        there.verify(TEXT, there.sign(TEXT), ADA, at=datetime(year, 6, 1, tzinfo=timezone.utc)).good
        for year in (2019, 2021)
    ]
    assert found == [True, False]


def test_a_namespace_that_names_us_beside_git_allows_it(signer, keys: Path):
    there = allow(signer, f'{ADA} namespaces="git,mlcli" {(keys / "id.pub").read_text().strip()}')
    assert there.verify(TEXT, there.sign(TEXT), ADA).good


def test_a_revoked_key_is_not_good(signer, git, keys: Path):
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", keys / "revoked", keys / "id.pub"], check=True)
    git("config", "gpg.ssh.revocationFile", str(keys / "revoked"))
    found = again(signer).verify(TEXT, signer.sign(TEXT), ADA)
    assert (found.good, found.reason) == (False, f"the key {found.key} was revoked")


def test_a_file_of_revoked_keys_that_is_gone_is_told(signer, git):
    git("config", "gpg.ssh.revocationFile", "gone")
    with pytest.raises(CannotVerify, match=r"gpg\.ssh\.revocationFile names gone, which is not there"):
        again(signer).verify(TEXT, signer.sign(TEXT), ADA)


@pytest.mark.parametrize(
    "signature",
    ["", "junk", "x" * 1_000_000, "-----BEGIN SSH SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----",
     "-----BEGIN SSH SIGNATURE-----\n" + "A" * 1_000_000, "-----BEGIN SIGNED MESSAGE-----\nMII=\n", "-----BEGIN SSH SIGNATURE-----\n\x00\x1b[31m\n",
     "-----BEGIN SSH SIGNATURE-----\nÄÖÜ\n", "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"],
)  # fmt: skip
def test_junk_is_no_signature(signer, signature: str):
    found = signer.verify(TEXT, signature, ADA)
    assert (found.good, found.reason.partition(":")[0]) == (False, MALFORMED)


@pytest.mark.parametrize("identity", ["", "\x1b[31m", "a\0b"])
def test_nobody_has_signed_what_is_said_to_be_by_nobody(signer, identity: str):
    assert not signer.verify(TEXT, signer.sign(TEXT), identity).good


@pytest.mark.parametrize(
    "identity", ["*", "-Overify-time=20190101", "ada", "ada@example.com,grace@example.com", "!ada@example.com"]
)
def test_an_identity_is_an_address_and_no_pattern_or_option(signer, identity: str):
    assert not signer.verify(TEXT, signer.sign(TEXT), identity).good


def test_a_file_of_allowed_signers_that_cannot_be_read_allows_nobody(signer):
    there = allow(signer, "garbage", "\x1b[31m more")
    assert not there.verify(TEXT, there.sign(TEXT), ADA).good


# What is missing


def test_without_a_key_it_is_said_how_to_have_one(workspace, git):
    git("config", "--global", "gpg.format", "ssh")
    with pytest.raises(CannotSign, match=r"git has no key to sign with: user\.signingkey is not set") as caught:
        workspace.sign(TEXT)
    assert (caught.value.exit_code, "git config --global user.signingkey" in (caught.value.hint or "")) == (3, True)


def test_without_allowed_signers_it_is_said_how_to_have_them(signer, git):
    git("config", "--unset", "gpg.ssh.allowedSignersFile")
    with pytest.raises(CannotVerify, match=r"gpg\.ssh\.allowedSignersFile is not set") as caught:
        again(signer).verify(TEXT, signer.sign(TEXT), ADA)
    assert "git config gpg.ssh.allowedSignersFile .allowed_signers" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("user.signingkey", "~/.ssh/gone.pub", "user.signingkey names ~/.ssh/gone.pub, which is not there"),
        ("gpg.format", "x509", "gpg.format is x509: mlcli signs with ssh or openpgp"),
        ("gpg.ssh.program", "no-such-keygen", "no-such-keygen is not installed"),
        ("gpg.ssh.program", "./ssh-keygen", "./ssh-keygen is not installed"),
        ("gpg.ssh.program", "/etc/passwd", "/etc/passwd cannot be started: Permission denied"),
        ("gpg.ssh.program", "/bin/false", "~/.ssh/id.pub cannot be used: ssh-keygen gave 1"),
    ],
)
def test_what_git_is_configured_for_and_cannot_be_used_is_told(signer, git, key: str, value: str, told: str):
    git("config", "--global", key, value)
    with pytest.raises(CannotSign, match=told):
        again(signer).sign(TEXT)


def test_an_ssh_keygen_that_is_too_old_is_told(signer, git, machine: Path):
    old = machine / "old"
    old.write_text("#!/bin/sh\necho 'unknown option -- Y' >&2\nexit 1\n")
    old.chmod(0o755)
    git("config", "--global", "gpg.ssh.program", str(old))
    with pytest.raises(CannotSign, match=r"ssh-keygen is older than OpenSSH 8\.2"):
        again(signer).sign(TEXT)


def test_a_passphrase_is_not_asked_for_where_nobody_is_there(signer, git, keys: Path):
    new_key(keys / "locked", "secret words")
    git("config", "--global", "user.signingkey", "~/.ssh/locked.pub")
    code = "from mlcli.workspace import Workspace; Workspace.find().sign('x')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=signer.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "CannotSign: ~/.ssh/locked.pub cannot be used: it was not given its passphrase" in done.stderr


@pytest.mark.parametrize(("typed", "told"), [("secret words", "signed"), ("guess", "it was not given its passphrase")])
def test_a_passphrase_is_asked_for_at_a_terminal(signer, git, keys: Path, typed: str, told: str):
    new_key(keys / "locked", "secret words")
    git("config", "--global", "user.signingkey", "~/.ssh/locked.pub")
    code = "from mlcli.workspace import Workspace; Workspace.find().sign('x'); print('signed')"
    child = pexpect.spawn(sys.executable, ["-c", code], cwd=signer.root, encoding="utf-8", timeout=60, echo=False)
    child.expect("passphrase")
    child.sendline(typed)
    child.expect(pexpect.EOF)
    assert told in child.before
    assert typed not in child.before


# What is never started


@pytest.mark.parametrize("key", ["gpg.ssh.program", "gpg.ssh.defaultKeyCommand"])
def test_no_program_is_started_that_a_repository_configures(signer, git, machine: Path, key: str):
    trap = machine / "trap"
    trap.write_text(f'#!/bin/sh\ntouch {machine}/sprung\nexec ssh-keygen "$@"\n')
    trap.chmod(0o755)
    git("config", key, str(trap))
    there = again(signer)
    assert there.verify(TEXT, there.sign(TEXT), ADA).good
    assert not (machine / "sprung").exists()


def test_a_program_of_the_users_own_configuration_is_started(signer, git, machine: Path):
    own = machine / "own"
    own.write_text(f'#!/bin/sh\ntouch {machine}/started\nexec ssh-keygen "$@"\n')
    own.chmod(0o755)
    git("config", "--global", "gpg.ssh.program", str(own))
    there = again(signer)
    assert there.verify(TEXT, there.sign(TEXT), ADA).good
    assert (machine / "started").exists()


def test_the_users_own_command_may_say_which_key_to_use(signer, git, keys: Path, machine: Path):
    tells = machine / "tells"
    tells.write_text(f"#!/bin/sh\necho \"key::$(cat '{keys}/id.pub')\"\n")
    tells.chmod(0o755)
    git("config", "--global", "--unset", "user.signingkey")
    git("config", "--global", "gpg.ssh.defaultKeyCommand", str(tells))
    with pytest.raises(CannotSign, match=r"the key of user\.signingkey cannot be used: its private key"):
        again(signer).sign(TEXT)


def test_a_program_that_lies_in_the_current_directory_is_not_taken(signer, machine: Path, monkeypatch):
    trap = Path(signer.root, "ssh-keygen")
    trap.write_text(f"#!/bin/sh\ntouch {machine}/sprung\n")
    trap.chmod(0o755)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    assert signer.verify(TEXT, signer.sign(TEXT), ADA).good
    assert not (machine / "sprung").exists()


def test_nothing_is_left_of_what_was_signed(signer, machine: Path, monkeypatch):
    (machine / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(machine / "tmp"))
    signer.verify(TEXT, signer.sign(TEXT), ADA)
    signer.verify(TEXT, "junk", ADA)
    assert list((machine / "tmp").iterdir()) == []


# The gate


@pytest.fixture
def iris(signer, record, monkeypatch) -> Workspace:
    """iris@1, and a stage that asks for a signed transition and a signed approval."""
    monkeypatch.setenv("MLCLI_DURABILITY", "none")
    registry.register(signer, "iris", record(model="x").id)
    Path(signer.root, "mlcli.toml").write_text("[stages.production]\nrequire = ['signed']\n")
    return again(signer)


def outcome(workspace: Workspace, event=None):
    version, history = workspace.store.version("iris", 1), workspace.store.history("iris")
    return judged(workspace, version, Stage.PRODUCTION, history, event=event)[0]


def test_whoever_can_sign_and_is_allowed_to_may_promote_and_the_event_is_signed(iris):
    before = outcome(iris)
    registry.promote(iris, "iris@1", "production")
    event = iris.store.history("iris").events[-1]
    after = outcome(iris, event)
    assert (before.passed, before.told.startswith(f"by {ADA} with SHA256:")) == (True, True)
    assert (after.passed, after.told) == (True, f"by {ADA}")


def test_whoever_is_not_allowed_to_may_not_promote(iris, keys: Path):
    there = allow(iris, f"{GRACE} {(keys / 'id.pub').read_text().strip()}")
    found = outcome(there)
    assert (found.passed, found.told.endswith(f"is allowed for {GRACE}, and not for {ADA}")) == (False, True)


def test_without_a_key_or_allowed_signers_the_gate_says_so(iris, git):
    git("config", "--unset", "gpg.ssh.allowedSignersFile")
    unknown = outcome(again(iris))
    git("config", "--global", "--unset", "user.signingkey")
    keyless = outcome(again(iris))
    assert (unknown.passed, keyless.passed) == (False, False)
    assert unknown.told.startswith(
        "nothing says whose keys are allowed: gpg.ssh.allowedSignersFile is not set; git config "
    )
    assert keyless.told.startswith("git has no key to sign with: user.signingkey is not set; git config --global")


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"signature": ""}, "it is not signed"), ({"why": "another reason"}, ALTERED), ({"signature": "junk"}, MALFORMED)],
)
def test_an_event_whose_signature_does_not_hold_does_not_pass(iris, changes, told: str):
    registry.promote(iris, "iris@1", "production", why="good")
    event = iris.store.history("iris").events[-1]
    found = outcome(iris, replace(event, **changes))
    assert (found.passed, found.told) == (False, told)


def test_an_approval_counts_where_its_signature_holds_and_is_given_anew_where_it_has_none(
    iris, keys: Path, monkeypatch
):
    there = allow(iris, *(f"{who} {(keys / 'id.pub').read_text().strip()}" for who in (ADA, GRACE)))
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", GRACE)
    Path(there.root, "mlcli.toml").write_text("[stages.production]\nrequire = ['approved']\n")
    registry.approve(again(there), "iris@1")
    Path(there.root, "mlcli.toml").write_text("[stages.production]\nrequire = ['approved', 'signed']\n")
    unsigned = outcome(again(there)).passed
    anew, said = registry.approve(again(there), "iris@1").made, registry.approve(again(there), "iris@1").made
    assert (unsigned, anew, said, outcome(again(there)).passed) == (False, True, False, True)


# With OpenPGP keys


@pytest.fixture
def gpg(workspace, git, monkeypatch) -> Iterator[Workspace]:
    """A workspace whose git signs with an OpenPGP key of Ada's; the key ring's path is short, for its agent's socket."""
    ring = tempfile.mkdtemp(prefix="g", dir="/tmp")
    monkeypatch.setenv("GNUPGHOME", ring)
    try:
        make_gpg_key(f"Ada <{ADA}>")
        yield workspace
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
        shutil.rmtree(ring, ignore_errors=True)


def make_gpg_key(user: str) -> None:
    how = [
        "--batch",
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
        "--quick-gen-key",
        user,
        "ed25519",
        "sign",
        "1d",
    ]
    subprocess.run(["gpg", *how], check=True, capture_output=True)


needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")


@needs_gpg
def test_gpg_signs_by_default_with_the_key_of_gits_user(gpg):
    listed = subprocess.run(["gpg", "--with-colons", "--list-keys"], capture_output=True, text=True, check=True)
    key = next(line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr"))
    signature = gpg.sign(TEXT)
    assert signature.startswith("-----BEGIN PGP SIGNATURE-----")
    assert gpg.verify(TEXT, signature, ADA) == Signature(good=True, by=ADA, key=key)


@needs_gpg
def test_a_gpg_signature_holds_for_its_text_and_its_person_alone(gpg):
    signature = gpg.sign(TEXT)
    other, wrong = gpg.verify(TEXT + "x", signature, ADA), gpg.verify(TEXT, signature, GRACE)
    assert (other.good, other.reason) == (False, ALTERED)
    assert (wrong.good, wrong.reason) == (False, f"the key {wrong.key} is that of {ADA}, and not of {GRACE}")


@needs_gpg
def test_a_gpg_key_that_is_not_here_or_not_trusted_is_not_good(gpg, git, monkeypatch):
    signature = gpg.sign(TEXT)
    exported = subprocess.run(["gpg", "--export"], capture_output=True, check=True).stdout
    ring = tempfile.mkdtemp(prefix="g", dir="/tmp")
    monkeypatch.setenv("GNUPGHOME", ring)
    try:
        absent = gpg.verify(TEXT, signature, ADA)
        subprocess.run(["gpg", "--import"], input=exported, capture_output=True, check=True)
        untrusted = gpg.verify(TEXT, signature, ADA)
        git("config", "gpg.minTrustLevel", "undefined")
        accepted = again(gpg).verify(TEXT, signature, ADA)
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
        shutil.rmtree(ring, ignore_errors=True)
    assert (absent.good, untrusted.good, accepted.good) == (False, False, True)
    assert "gpg does not have the key" in absent.reason
    assert "gpg does not trust that the key" in untrusted.reason


@needs_gpg
def test_gpg_without_a_key_for_gits_user_is_told(gpg, git):
    git("config", "user.email", GRACE)
    with pytest.raises(CannotSign, match=f"gpg does not sign for <{GRACE}>: .*[Nn]o secret key"):
        again(gpg).sign(TEXT)


@needs_gpg
def test_two_gpg_signatures_in_one_are_none(gpg):
    make_gpg_key(f"Grace <{GRACE}>")
    both = ["gpg", "--batch", "-bsa", "-u", ADA, "-u", GRACE]
    signature = subprocess.run(both, input=TEXT.encode(), capture_output=True, check=True).stdout.decode()
    assert gpg.verify(TEXT, signature, ADA) == Signature(good=False, reason=MALFORMED)


@needs_gpg
@pytest.mark.parametrize("key", ["gpg.program", "gpg.openpgp.program"])
def test_gpg_is_not_what_a_repository_configures(gpg, git, machine: Path, key: str):
    trap = machine / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {machine}/sprung\n")
    trap.chmod(0o755)
    git("config", key, str(trap))
    assert again(gpg).verify(TEXT, again(gpg).sign(TEXT), ADA).good
    assert not (machine / "sprung").exists()


def test_an_ssh_key_where_git_signs_with_gpg_is_told(workspace, git):
    git("config", "--global", "user.signingkey", "~/.ssh/id_ed25519.pub")
    with pytest.raises(CannotSign, match=r"user\.signingkey is an SSH key, and gpg\.format is not ssh"):
        workspace.sign(TEXT)
