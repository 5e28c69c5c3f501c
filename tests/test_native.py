"""`mlcli run --native`: what programs that are no Python, and Pythons that do not load the bootstrap, do with files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from mlcli.domain.run import Run
from mlcli.workspace import Workspace

CC = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(sys.platform != "linux" or CC is None, reason="needs Linux and a C compiler")
READS = "print(len(open('data.csv').read()))"
Ran = Callable[..., Run]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of small programs in C, each made for one matter."""
    directory = tmp_path_factory.mktemp("programs")
    for name, (source, flags) in PROGRAMS.items():
        (directory / f"{name}.c").write_text(f"#define _GNU_SOURCE\n{HEADERS}{textwrap.dedent(source)}")
        command = [CC, *flags, "-o", directory / name, directory / f"{name}.c", *(["-lpthread"] if not flags else [])]
        subprocess.run(command, check=True, capture_output=True)
    return directory


HEADERS = "".join(
    f"#include <{name}.h>\n"
    for name in ("dirent", "errno", "fcntl", "pthread", "spawn", "stdio", "stdlib", "string", "sys/stat", "sys/wait",
                 "unistd")
)  # fmt: skip
PROGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "ways": (
        """
        int main(void) {
            int here = open(".", O_RDONLY | O_DIRECTORY), sub = open("sub", O_RDONLY);
            open("a", O_RDONLY); open64("b", O_RDONLY); openat(here, "c", O_RDONLY); openat64(sub, "d", O_RDONLY);
            openat(AT_FDCWD, "sub/.././/e", O_RDONLY);
            fopen("f", "r"); fopen64("g", "rb"); freopen("h", "r", stdin); fopen("i", "r+");
            creat("out-creat", 0644); open("out-open", O_WRONLY | O_CREAT | O_TRUNC, 0640);
            open("out-both", O_RDWR | O_CREAT, 0644); fopen("out-fopen", "w"); fopen("out-append", "a+");
            openat(sub, "out-at", O_WRONLY | O_CREAT, 0604);
            open(".", O_TMPFILE | O_RDWR, 0600); open("a", O_PATH);
            fopen("tmp-1", "w"); rename("tmp-1", "out-renamed");
            openat(sub, "tmp-2", O_WRONLY | O_CREAT, 0644); renameat(sub, "tmp-2", here, "out-renamed-at");
            fopen("tmp-3", "w"); renameat2(here, "tmp-3", sub, "out-renamed-at-2", 0);
            struct stat told; stat("out-open", &told); printf("%o", told.st_mode & 0777);
            stat("sub/out-at", &told); printf(" %o\\n", told.st_mode & 0777);
        }
        """,
        (),
    ),
    "errors": (
        """
        int main(void) {
            errno = 77; int fd = open("data.csv", O_RDONLY); printf("%d %d", fd, errno);
            errno = 77; FILE *file = fopen("new", "w"); printf(" %d %d", fileno(file), errno);
            errno = 77; rename("new", "newer"); printf(" %d", errno);
            errno = 77; opendir("."); printf(" %d", errno);
            printf(" %d", open("none", O_RDONLY)); printf(" %d", errno);
            printf(" %d", execl("./none", "none", (char *)0)); printf(" %d", errno);
            printf(" %d", execlp("no-such-program", "none", (char *)0)); printf(" %d", errno);
            pid_t pid; char *argv[] = {"none", 0};
            printf(" %d\\n", posix_spawn(&pid, "./none", 0, 0, argv, environ));
        }
        """,
        (),
    ),
    "threads": (
        """
        static void *reads(void *number) {
            char path[40];
            for (int each = 0; each < 100; each++) {
                sprintf(path, "many-%ld/%d", (long)number, each);
                close(open(path, O_RDONLY));
            }
            return 0;
        }
        int main(void) {
            pthread_t threads[8];
            for (long each = 0; each < 8; each++) pthread_create(&threads[each], 0, reads, (void *)each);
            for (int each = 0; each < 8; each++) pthread_join(threads[each], 0);
        }
        """,
        (),
    ),
    "starts": (
        """
        static char *cat(const char *name) { return strdup(name); }
        static void await(pid_t pid) { int status; waitpid(pid, &status, 0); printf("%d ", WEXITSTATUS(status)); }
        int main(void) {
            char *nothing[] = {0}, *argv[] = {"cat", 0, 0};
            pid_t pid;
            setvbuf(stdout, 0, _IONBF, 0);
            if (!(pid = fork())) { open("by-fork", O_RDONLY); _exit(0); } await(pid);
            argv[1] = cat("by-vfork");
            if (!(pid = vfork())) { execve("/bin/cat", argv, nothing); _exit(9); } await(pid);
            if (!(pid = fork())) { execv("/bin/cat", (argv[1] = cat("by-execv"), argv)); } await(pid);
            if (!(pid = fork())) { execvp("cat", (argv[1] = cat("by-execvp"), argv)); } await(pid);
            if (!(pid = fork())) { execvpe("cat", (argv[1] = cat("by-execvpe"), argv), nothing); } await(pid);
            if (!(pid = fork())) { execl("/bin/cat", "cat", "by-execl", (char *)0); } await(pid);
            if (!(pid = fork())) { execlp("cat", "cat", "by-execlp", (char *)0); } await(pid);
            if (!(pid = fork())) { execle("/bin/cat", "cat", "by-execle", (char *)0, nothing); } await(pid);
            if (!(pid = fork())) { fexecve(open("/bin/cat", O_RDONLY), (argv[1] = cat("by-fexecve"), argv), nothing); }
            await(pid);
            argv[1] = cat("by-spawn"); posix_spawn(&pid, "/bin/cat", 0, 0, argv, nothing); await(pid);
            argv[1] = cat("by-spawnp"); posix_spawnp(&pid, "cat", 0, 0, argv, environ); await(pid);
            system("cat by-system"); fread(malloc(9), 1, 9, popen("cat by-popen", "r"));
            puts("");
        }
        """,
        (),
    ),
    "alone": ("int main(int count, char **names) { while (--count) open(names[count], O_RDONLY); }", ("-static",)),
    "of-go": (
        """
        __attribute__((section(".note.go.buildid"), aligned(4), used))
        static const struct { int name, size, type; char go[4], id[4]; } note = {4, 4, 4, "Go", "id"};
        int main(void) {}
        """,
        (),
    ),
    "theirs.so": ('__attribute__((constructor)) static void begin(void) { write(1, "theirs\\n", 7); }',
                  ("-shared", "-fPIC")),
}  # fmt: skip


@pytest.fixture
def project(repo: Path, git) -> Path:
    """A repository with data, and a script that reads it."""
    (repo / "data.csv").write_text("b,2\na,1\n")
    (repo / "train.py").write_text(READS)
    git("add", "-A")
    git("commit", "-qm", "Data")
    return repo


@pytest.fixture
def deep(machine: Path, git) -> Path:
    """A repository in a place whose name is of those that tell that nothing is data."""
    path = machine / "home/.cache/renv/project"
    path.mkdir(parents=True)
    git("init", "-q", at=path)
    (path / "data.csv").write_text("1\n")
    return path


@pytest.fixture
def ran(project: Path, mlcli, cache: Path) -> Ran:
    """Run a command with --native; the run, and that it printed `out` where that is told."""

    def run(*argv: str, out: str | None = None, env: dict[str, str] | None = None) -> Run:
        done = mlcli("run", "--native", "--", *argv, env={"XDG_CACHE_HOME": str(cache), **(env or {})})
        assert "error" not in done.stderr, done.stderr
        assert out is None or done.stdout == out
        return Workspace(str(project)).store.find_runs(limit=1).runs[0]

    return run


def read(run: Run) -> list[str]:
    return [each.path for each in run.inputs]


def wrote(run: Run) -> list[str]:
    return [each.path for each in run.outputs]


def code(run: Run) -> list[str]:
    return [each.path for each in run.code.modules] if run.code else []


def seen(run: Run) -> tuple[bool, list[str]]:
    assert run.capture is not None
    return run.capture.complete, run.capture.missing


# Where the bootstrap was dropped

RECIPES = {
    "make": (["make", "-s"], "all:\n\tPYTHONPATH=. python train.py\n", "Makefile"),
    "sh": (["sh", "run.sh"], "PYTHONPATH=. python train.py\n", "run.sh"),
    "bash": (["bash", "run.sh"], "export PYTHONPATH=.\npython train.py\n", "run.sh"),
    "subprocess": (
        ["python", "run.py"],
        "import subprocess, sys; subprocess.run([sys.executable, 'train.py'], env={}, check=True)",
        "run.py",
    ),
    "env -i": (["sh", "run.sh"], f"env -i {sys.executable} train.py\n", "run.sh"),
    "LD_PRELOAD too": (["sh", "run.sh"], "LD_PRELOAD= PYTHONPATH= python train.py\n", "run.sh"),
    "unset": (["bash", "run.sh"], "unset PYTHONPATH LD_PRELOAD MLCLI_CAPTURE_DIR; python train.py\n", "run.sh"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_a_python_is_seen_where_the_bootstrap_was_dropped(project: Path, ran: Ran, recipe):
    argv, text, name = recipe
    (project / name).write_text(text)
    run = ran(*argv, out="8\n")
    assert seen(run) == (True, [])
    assert (read(run), wrote(run)) == (["data.csv"], [])
    assert code(run) == sorted(["train.py", name])


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_of_a_python_that_ignores_it_the_files_are_seen_and_the_rest_is_told_to_be_missing(ran: Ran, flag: str):
    run = ran(sys.executable, flag, "train.py", out="8\n")
    assert (read(run), wrote(run)) == (["data.csv"], [])
    complete, [line] = seen(run)
    assert (complete, f"{flag} the files are seen, but not what code it executed" in line) == (False, True)


# Programs that are no Python


def test_a_pipeline_of_a_shell_is_seen_whole(project: Path, ran: Ran):
    (project / "names.txt").write_text("x\ny\n")
    (project / "run.sh").write_text(
        "set -e\n"
        "sort data.csv > sorted.csv\n"
        "cat data.csv names.txt | awk -F, '{print $1}' | cut -c1 > first.txt\n"
        "cp sorted.csv copy.csv\n"
        "sed -i s/a/z/ copy.csv\n"
        "mv first.txt last.txt\n"
        "grep -c z copy.csv >> counts\n"
        "scratch=$(mktemp); cp names.txt $scratch; sort -o names.sorted $scratch; rm $scratch\n"
    )
    run = ran("bash", "run.sh", out="")
    assert seen(run) == (True, [])
    assert (read(run), code(run)) == (["data.csv", "names.txt"], ["run.sh"])
    assert wrote(run) == ["copy.csv", "counts", "last.txt", "names.sorted", "sorted.csv"]


def test_a_pipeline_of_a_shell_is_not_run_again_unless_something_changed(project: Path, ran: Ran, mlcli, cache: Path):
    (project / "run.sh").write_text("sort < data.csv > sorted.csv\n")
    (project / ".gitignore").write_text("/sorted.csv\n")
    first = ran("dash" if shutil.which("dash") else "sh", "run.sh")
    assert (read(first), wrote(first), seen(first)) == (["data.csv"], ["sorted.csv"], (True, []))
    words, env = ("run", "--native", "--cached", "--", *first.command.argv), {"XDG_CACHE_HOME": str(cache)}
    assert f"cached run {first.id[:8]}" in mlcli(*words, env=env).stderr
    (project / "data.csv").write_text("c,3\n")
    assert "finished" in mlcli(*words, env=env).stderr
    assert (project / "sorted.csv").read_text() == "c,3\n"


def test_a_run_that_is_made_again_is_watched_as_it_was(project: Path, git, ran: Ran, mlcli, cache: Path):
    (project / "train.sh").write_text("""printf '{"accuracy": 0.5}' > metrics.json\n""")
    (project / ".gitignore").write_text("/metrics.json\n")
    git("add", "-A")
    git("commit", "-qm", "A script")
    run = ran("sh", "train.sh")
    done = mlcli("reproduce", run.id, env={"XDG_CACHE_HOME": str(cache)})
    assert ("identical" in done.stdout, done.returncode) == (True, 0)
    elsewhere = {"XDG_CACHE_HOME": str(project.parent / "elsewhere"), "CC": "no-such-cc"}
    mlcli("reproduce", run.id, env=elsewhere)
    runs = Workspace(str(project)).store.find_runs().runs
    assert [each.capture.native for each in runs if each.capture] == [False, True, True]
    assert [list(each.metrics) for each in runs[1:]] == [["accuracy"], ["accuracy"]]


def test_a_file_that_is_edited_in_place_is_an_input_that_changed_and_an_output(project: Path, ran: Ran):
    run = ran("sed", "-i", "s/a/z/", "data.csv")
    assert [(each.path, each.changed) for each in run.inputs] == [("data.csv", True)]
    assert wrote(run) == ["data.csv"]


def test_a_file_that_is_opened_to_be_written_and_then_read_before_it_is_an_input(project: Path, ran: Ran):
    run = ran("sort", "data.csv", "-o", "data.csv")
    assert [(each.path, each.changed) for each in run.inputs] == [("data.csv", True)]
    assert wrote(run) == ["data.csv"]
    run = ran("sh", "-c", "printf 2,b > new; cat data.csv >> new; cat new")
    assert (read(run), wrote(run)) == (["data.csv"], ["new"])


def test_a_directory_that_a_shell_lists_is_told(project: Path, ran: Ran):
    (project / "parts").mkdir()
    (project / "parts/1.csv").write_text("1\n")
    for command in ("cat parts/*.csv", "find parts -name '*.csv' | xargs cat", "cd parts; cat ./*.csv"):
        run = ran("bash", "-c", command, out="1\n")
        assert run.capture is not None
        assert (read(run), list(run.capture.listed), seen(run)) == (["parts/1.csv"], ["parts/"], (True, []))


def test_a_project_may_lie_anywhere(deep: Path, mlcli, cache: Path):
    done = mlcli("run", "--native", "--", "cp", "data.csv", "copy.csv", at=deep, env={"XDG_CACHE_HOME": str(cache)})
    run = Workspace(str(deep)).store.find_runs(limit=1).runs[0]
    assert (done.returncode, read(run), wrote(run), seen(run)) == (0, ["data.csv"], ["copy.csv"], (True, []))


def test_many_files_of_a_directory_are_one_input(project: Path, ran: Ran):
    (project / "parts").mkdir()
    for number in range(300):
        (project / f"parts/{number}").touch()
    run = ran("bash", "-c", "cat parts/*")
    assert [(each.path, each.files) for each in run.inputs] == [("parts/", 300)]


def test_git_and_what_belongs_to_nobody_is_not_told(project: Path, ran: Ran):
    Path.home().joinpath(".bashrc").write_text("cat ~/.pyenv/version >&2\n")
    Path.home().joinpath(".pyenv").mkdir()
    Path.home().joinpath(".pyenv/version").touch()
    (project / "lib/site-packages").mkdir(parents=True)
    (project / "lib/site-packages/x.txt").touch()
    run = ran("bash", "-ic", "git status >&2; cat /etc/passwd lib/site-packages/x.txt .git/HEAD >&2")
    assert (read(run), wrote(run)) == ([], [])


def test_a_program_that_the_library_is_not_in_is_told_to_be_missing(project: Path, ran: Ran, programs: Path):
    line = "alone was started, and what it reads is not seen: it is linked statically, or runs as another user; "
    run = ran("bash", "-c", f"cat data.csv; {programs}/alone data.csv; true")
    assert (read(run), seen(run)[0]) == (["data.csv"], False)
    assert [each.startswith(line) for each in seen(run)[1]] == [True]
    by_python = f"import subprocess; subprocess.run(['{programs}/alone', 'data.csv'])"
    assert [each.startswith(line) for each in seen(ran(sys.executable, "-c", by_python))[1]] == [True]
    run = ran(f"{programs}/alone", "data.csv")
    assert (seen(run)[0], seen(run)[1][0].startswith("alone is not seen: it is linked statically")) == (False, True)


def test_a_command_of_an_emptied_environment_is_told_to_be_missing(ran: Ran):
    program = "import os; {}; os.system('cat data.csv'); os.popen('cat data.csv').close()"
    run = ran(sys.executable, "-c", program.format("os.environ['PYTHONPATH'] = '.'"))
    assert (read(run), seen(run)) == (["data.csv"], (True, []))
    run = ran(sys.executable, "-c", program.format("os.environ.clear()"))
    line = "system: a command was started after the environment was emptied, and is not seen"
    assert (read(run), seen(run)) == (["data.csv"], (False, [line]))


def test_a_program_of_go_is_told_to_be_missing(project: Path, ran: Ran, programs: Path):
    line = "of-go is a program of Go: what it reads is not seen; "
    assert [each.startswith(line) for each in seen(ran("sh", "-c", f"{programs}/of-go; true"))[1]] == [True]


def test_a_script_that_names_no_interpreter_is_run_by_its_shell(project: Path, ran: Ran):
    (project / "run").write_text("cat data.csv\n")
    (project / "run").chmod(0o755)
    assert seen(ran("bash", "-c", "./run; true", out="b,2\na,1\n")) == (True, [])


def test_a_run_goes_on_where_nothing_can_be_told(project: Path, ran: Ran):
    ran("sh", "-c", 'rm -r "$MLCLI_CAPTURE_DIR"; sort data.csv; cat data.csv > out', out="a,1\nb,2\n")
    assert (project / "out").read_text() == "b,2\na,1\n"


def test_without_the_option_it_is_told_of(project: Path, mlcli):
    mlcli("run", "--", "sort", "data.csv")
    run = Workspace(str(project)).store.find_runs(limit=1).runs[0]
    assert [line.endswith("or run it with --native") for line in seen(run)[1]] == [True]


def test_what_a_python_starts_is_seen(ran: Ran):
    program = "import subprocess, os; subprocess.run(['sort', 'data.csv', '-o', 'o']); os.system('cat o > p')"
    run = ran(sys.executable, "-c", program)
    assert (seen(run), read(run), wrote(run)) == ((True, []), ["data.csv"], ["o", "p"])


# Every way to open a file, and to start a program


def test_every_way_to_open_a_file_is_seen(project: Path, ran: Ran, programs: Path):
    (project / "sub").mkdir()
    for name in (*"abcefghi", "sub/d"):
        (project / name).write_text("x")
    run = ran(f"{programs}/ways", out="640 604\n")
    assert seen(run) == (True, [])
    assert read(run) == ["a", "b", "c", "e", "f", "g", "h", "i", "sub/d"]
    assert wrote(run) == [
        *("out-append", "out-both", "out-creat", "out-fopen", "out-open", "out-renamed", "out-renamed-at"),
        *("sub/out-at", "sub/out-renamed-at-2"),
    ]


def test_every_way_to_start_a_program_is_seen(project: Path, ran: Ran, programs: Path):
    ways = ["execl", "execle", "execlp", "execv", "execvp", "execvpe", "fexecve", "fork", "popen", "spawn", "spawnp"]
    names = [f"by-{way}" for way in [*ways, "system", "vfork"]]
    for name in names:
        (project / name).touch()
    run = ran(f"{programs}/starts", out=f"{'0 ' * 11}\n")
    assert (seen(run), read(run)) == ((True, []), names)


def test_threads_open_files_at_once(project: Path, ran: Ran, programs: Path):
    names = [f"many-{thread}/{number}" for thread in range(8) for number in range(100)]
    for name in names:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).touch()
    assert read(ran(f"{programs}/threads")) == sorted(names)


def test_errors_are_what_they_were(project: Path, ran: Ran, programs: Path):
    run = ran(f"{programs}/errors", out="3 77 4 77 77 77 -1 2 -1 2 -1 2 2\n")
    assert (seen(run), read(run), wrote(run)) == ((True, []), ["data.csv"], ["newer"])


def test_names_of_every_kind(project: Path, ran: Ran):
    names = ["wörter.csv", "two\nlines.csv", 'quo"te\\.csv', "tab\t.csv", "emoji😀.csv", " space .csv"]
    for name in names:
        (project / name).touch()
    assert sorted(read(ran("cat", *names))) == sorted(names)


def test_a_name_that_is_no_text_is_told(project: Path, ran: Ran):
    open(b"no\xff\xc3.csv", "w").close()
    assert read(ran("sh", "-c", "cat no*.csv")) == ["no\\udcff\\udcc3.csv"]


# In a Python


def test_what_c_reads_in_a_python_is_seen_and_all_else_once(project: Path, ran: Ran):
    (project / "other.csv").write_text("c")
    (project / "read.py").write_text(
        "import ctypes\n"
        "ctypes.CDLL(None).fopen(b'other.csv', b'r')\n"
        "text = open('data.csv').read()\n"
        "open('data.csv', 'w').write(text * 2)\n"
        "open('out', 'w').write(text)\n"
    )
    before = (project / "data.csv").read_bytes()
    run = ran(sys.executable, "read.py")
    assert (seen(run), code(run)) == ((True, []), ["read.py"])
    from hashlib import sha256

    told = {each.path: (each.changed, each.digest) for each in run.inputs}
    assert list(told) == ["data.csv", "other.csv"]
    assert told["data.csv"] == (True, f"sha256:{sha256(before).hexdigest()}")
    assert wrote(run) == ["data.csv", "out"]
    assert run.capture is not None
    assert run.capture.processes == 1


def test_the_reader_of_a_library_is_still_named(project: Path, ran: Ran):
    pytest.importorskip("polars")
    run = ran(sys.executable, "-c", "import polars; polars.read_csv('data.csv').write_csv('out.csv')")
    assert [(each.path, each.by) for each in run.inputs] == [("data.csv", "polars.read_csv")]
    assert wrote(run) == ["out.csv"]


def test_a_query_of_duckdb_on_a_connection_is_seen(ran: Ran):
    pytest.importorskip("duckdb")
    program = "import duckdb; duckdb.connect().execute(\"copy (from 'data.csv') to 'out.csv'\")"
    run = ran(sys.executable, "-c", program)
    assert (read(run), wrote(run)) == (["data.csv"], ["out.csv"])


# What the program sees of it


@pytest.mark.parametrize(
    "command",
    [
        "cat data.csv; ls /proc/self/fd | wc -l; exit 3",
        "python train.py; python -c 'import os; print(os.listdir(\".\"))'",
    ],
)
def test_a_command_prints_what_it_prints_without(project: Path, mlcli, cache: Path, command: str):
    env = {"XDG_CACHE_HOME": str(cache)}
    (project / ".gitignore").write_text(".mlruns\n")
    mlcli("run", "--", "true", env=env)
    bare, watched = (mlcli("run", *options, "--", "bash", "-c", command, env=env) for options in ([], ["--native"]))
    assert (watched.returncode, watched.stdout) == (bare.returncode, bare.stdout)


def test_what_the_user_preloads_stays(project: Path, ran: Ran, programs: Path):
    theirs = str(programs / "theirs.so")
    run = ran("printenv", "LD_PRELOAD", env={"LD_PRELOAD": theirs})
    with open(Workspace(str(project)).store.output_descriptor(run.id), "rb") as log:
        log.seek(0)
        printed = log.read().decode().splitlines()
    assert (printed[0], printed[1].split(":")[1:]) == ("theirs", [theirs])


def test_a_run_within_a_run_is_its_own(project: Path, ran: Ran, mlcli):
    run = ran("mlcli", "run", "--", sys.executable, "train.py")
    outer, inner = sorted(
        Workspace(str(project)).store.find_runs(limit=2).runs, key=lambda each: "mlcli" not in each.command.argv[0]
    )
    assert run.id in {outer.id, inner.id}
    assert (read(outer), seen(outer), read(inner)) == ([], (True, []), ["data.csv"])


# Where it cannot be had


@pytest.mark.parametrize(
    ("compiler", "told"),
    [
        ("no-such-cc", "--native needs a C compiler: $CC is no-such-cc, which is not here"),
        ("false", "--native: false cannot compile the library: it exits with 1"),
        ("true", "--native: "),
    ],
)
def test_without_a_compiler_one_line_says_so_before_the_run(project: Path, mlcli, compiler: str, told: str):
    done = mlcli("run", "--native", "--", "touch", "made", env={"CC": compiler})
    assert (done.returncode, done.stdout, (project / "made").exists()) == (125, "", False)
    error, hint = done.stderr.splitlines()
    assert error.startswith(f"mlcli: error: {told}")
    assert hint.endswith("leave --native out")
    assert not (project / ".mlruns").exists()


def test_no_compiler_at_all(project: Path, mlcli, tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    done = mlcli("run", "--native", "--", "true", env={"PATH": str(tmp_path / "bin"), "CC": ""})
    assert (done.returncode, "--native needs a C compiler: there is none here" in done.stderr) == (125, True)


def test_a_cache_with_a_space_in_its_name_cannot_be_preloaded_from(project: Path, mlcli, tmp_path: Path):
    done = mlcli("run", "--native", "--", "true", env={"XDG_CACHE_HOME": str(tmp_path / "a cache")})
    assert (done.returncode, "a path with a space cannot be preloaded" in done.stderr) == (125, True)


def test_it_is_compiled_once(project: Path, ran: Ran, cache: Path):
    ran("true")
    ran("true", env={"CC": "no-such-cc"})
    assert len([*cache.glob("mlcli/hook-*/native-*")]) == 1
