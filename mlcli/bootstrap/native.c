/* What the programs of a watched command do with files, told from within each that is linked to glibc dynamically.

It is put on LD_PRELOAD, stands before the functions of the C library that open and rename files and start programs,
and writes the events of `observation/events.py`. It also puts itself and the bootstrap of Python back into an
environment that dropped them. It may run in a signal handler and in the child of a vfork, so it allocates nothing,
locks nothing, and holds no descriptor; errno is as the program expects it. */

#define _GNU_SOURCE
/* What a system sets by itself would give the functions that we define other names, or bodies. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#undef _TIME_BITS
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);

#define PUBLIC __attribute__((visibility("default")))
#define LONGEST_ESCAPE 7 /* of one byte of a path, in JSON */
#define MANY 256         /* from so many files on, a directory is told of as one */
#define KNOWN (1 << 17)
#define DIRECTORIES (1 << 12)
#define MOST_PROBES 64
#define FIRST_HASH 0xCBF29CE484222325

/* ---- The functions of the C library, or of whoever stands before it after us ---- */

#define ORIGINALS(each)                                                                                              \
    each(open) each(open64) each(openat) each(openat64) each(creat) each(creat64) each(fopen) each(fopen64)          \
    each(freopen) each(freopen64) each(opendir) each(fdopendir) each(rename) each(renameat) each(renameat2)          \
    each(execve) each(execvpe) each(fexecve) each(posix_spawn) each(posix_spawnp) each(system) each(popen)

#define FIELD(name) __typeof__(name) *name;
static struct { ORIGINALS(FIELD) } original;
static int resolved;

/* The original functions, looked up once: a constructor of another library may open files before ours ran. */
static __typeof__(original) *originals(void) {
    if (!__atomic_load_n(&resolved, __ATOMIC_ACQUIRE)) {
#define LOOK_UP(name) original.name = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);
        ORIGINALS(LOOK_UP)
        __atomic_store_n(&resolved, 1, __ATOMIC_RELEASE);
    }
    return &original;
}

/* ---- What is known from the start ---- */

struct place {
    char text[PATH_MAX]; /* ends with '/' */
    size_t size;
};

static char events[PATH_MAX]; /* where to tell; empty: this process is not watched */
static char library[PATH_MAX], hook[PATH_MAX];
static struct place root, home;
static struct place nobodys[10]; /* below these nothing is data */
static int places, tells_files, tells_lists, is_python;

static const char *const VARIABLES[] = {"MLCLI_CAPTURE_DIR", "MLCLI_CAPTURE", "MLCLI_RUN_ID", "MLCLI_ROOT",
                                        "MLCLI_STORE"};
#define VARIABLE_COUNT (sizeof VARIABLES / sizeof *VARIABLES)
static char kept[VARIABLE_COUNT][PATH_MAX + 32]; /* as they were: a program may write over its environment */

static int starts_with(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

static int ends_with(const char *text, const char *end) {
    size_t size = strlen(text), of_end = strlen(end);
    return size >= of_end && memcmp(text + size - of_end, end, of_end) == 0;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int is_below(const char *path, const struct place *place) {
    return place->size && strncmp(path, place->text, place->size) == 0;
}

/* What of the path of a directory lies below the root; NULL where it is neither that nor below it. */
static const char *below_root(const char *path) {
    if (!root.size || strncmp(path, root.text, root.size - 1) != 0) return NULL;
    const char *below = path + root.size - 1;
    return !*below || *below == '/' ? below : NULL;
}

static void set_place(struct place *place, const char *path, const char *below) {
    size_t size = path ? strlen(path) : 0;
    while (size && path[size - 1] == '/') size--;
    if (!size || size + strlen(below) + 2 > sizeof place->text) return;
    memcpy(place->text, path, size);
    place->text[size] = '/';
    strcpy(place->text + size + 1, below);
    place->size = strlen(place->text);
}

/* What lies below `path` is nobody's data, unless the project does. */
static void set_nobodys(const char *path, const char *below) {
    struct place *place = &nobodys[places];
    set_place(place, path, below);
    if (place->size && !is_below(root.text, place)) places++;
    else place->size = 0;
}

/* ---- Writing an event: into memory of the caller's that is large enough ---- */

static char *put(char *to, const char *text) { return stpcpy(to, text); }

static char *put_number(char *to, uint64_t number, int digits) {
    char reversed[24];
    int count = 0;
    do reversed[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count < digits) reversed[count++] = '0';
    while (count) *to++ = reversed[--count];
    *to = 0;
    return to;
}

static char *put_signed(char *to, int64_t number) {
    if (number >= 0) return put_number(to, (uint64_t)number, 1);
    *to++ = '-';
    return put_number(to, -(uint64_t)number, 1);
}

/* How many bytes the character of UTF-8 at `text` has, which is not of ASCII; 0 where there is none. */
static int utf8_size(const unsigned char *text) {
    static const struct { unsigned char mask, lead, size; uint32_t least; } FORMS[] = {
        {0xE0, 0xC0, 2, 0x80}, {0xF0, 0xE0, 3, 0x800}, {0xF8, 0xF0, 4, 0x10000}};
    for (int form = 0; form < 3; form++) {
        if ((*text & FORMS[form].mask) != FORMS[form].lead) continue;
        uint32_t code = *text & (unsigned char)~FORMS[form].mask;
        for (int at = 1; at < FORMS[form].size; at++) {
            if ((text[at] & 0xC0) != 0x80) return 0;
            code = code << 6 | (text[at] & 0x3F);
        }
        return code < FORMS[form].least || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : FORMS[form].size;
    }
    return 0;
}

static char *put_hex(char *to, unsigned char byte) {
    *to++ = "0123456789abcdef"[byte >> 4];
    *to++ = "0123456789abcdef"[byte & 15];
    return to;
}

/* Text as JSON. A byte that is no text is told as the bootstrap tells it: JSON has no word for a lone surrogate. */
static char *put_quoted(char *to, const char *text) {
    *to++ = '"';
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int size = *at < 0x80 ? 1 : utf8_size(at);
        if (!size) to = put_hex(put(to, "\\\\udc"), *at++);
        else if (*at < 0x20) to = put_hex(put(to, "\\u00"), *at++);
        else {
            if (*at == '"' || *at == '\\') *to++ = '\\';
            while (size--) *to++ = (char)*at++;
        }
    }
    *to++ = '"';
    *to = 0;
    return to;
}

static struct timespec now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time;
}

static char *put_event(char *to, const char *kind, struct timespec time) {
    to = put(put(put(to, "{\"e\":\""), kind), "\",\"t\":");
    to = put_number(to, (uint64_t)time.tv_sec, 1);
    *to++ = '.';
    return put_number(to, (uint64_t)time.tv_nsec / 1000, 6);
}

/* Append a line to the file of process `pid`, 0 for the file that tells of all programs, as many of them open nothing.
By system calls, as the functions for it are ours. */
static void tell(pid_t pid, const char *line, const char *end) {
    char path[PATH_MAX + 40], *at = put(path, events);
    *at++ = '/';
    put(put_number(at, (uint64_t)pid, 1), "-n.jsonl");
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return;
    if (syscall(SYS_write, fd, line, end - line) >= 0) {} /* a full disk is no trouble of the program's */
    syscall(SYS_close, fd);
}

/* ---- Paths ---- */

/* Take `//`, `.` and `..` out of an absolute path, by its words alone. */
static void normalize(char *path) {
    char *to = path;
    for (const char *from = path; *from;) {
        while (*from == '/') from++;
        size_t size = strcspn(from, "/");
        if (size == 2 && from[0] == '.' && from[1] == '.') {
            while (to > path && *--to != '/') {}
        } else if (size && !(size == 1 && from[0] == '.')) {
            *to++ = '/';
            memmove(to, from, size);
            to += size;
        }
        from += size;
    }
    if (to == path) *to++ = '/';
    *to = 0;
}

/* The absolute path of what lies at `path`, seen from the directory `at`; 0 where it is not known or too long. */
static int absolute(int at, const char *path, char whole[PATH_MAX]) {
    size_t size = 0;
    if (path[0] != '/') {
        if (at == AT_FDCWD) {
            if (!getcwd(whole, PATH_MAX) || whole[0] != '/') return 0;
            size = strlen(whole);
        } else {
            char link[40];
            put_number(put(link, "/proc/self/fd/"), (uint64_t)at, 1);
            ssize_t read = readlink(link, whole, PATH_MAX - 1);
            if (read <= 0 || whole[0] != '/') return 0;
            size = (size_t)read;
        }
        whole[size++] = '/';
    }
    if (size + strlen(path) >= PATH_MAX) return 0;
    strcpy(whole + size, path);
    normalize(whole);
    return 1;
}

static int is_code(const char *path) {
    static const char *const ENDS[] = {".so", ".pyc", ".py", ".pyi", ".pyx"};
    for (size_t each = 0; each < sizeof ENDS / sizeof *ENDS; each++)
        if (ends_with(path, ENDS[each])) return 1;
    return 0;
}

/* What can be told to be nobody's data by its name alone, before anything is asked of the system. */
static int is_never_data(const char *path) {
    if (path[0] == '/' && (starts_with(path, "/proc/") || starts_with(path, "/sys/") || starts_with(path, "/dev/")))
        return 1;
    return is_code(path);
}

static int is_installed(const char *path) {
    return strstr(path, "-packages/") && (strstr(path, "/site-packages/") || strstr(path, "/dist-packages/"));
}

/* Whether an absolute path is worth telling; as of the bootstrap, data that packages bring is. */
static int is_data(const char *path, int only_read) {
    static const char *const SYSTEM[] = {"/etc/", "/usr/", "/lib/", "/lib64/", "/bin/", "/opt/conda/", "/var/lib/",
                                         "/proc/", "/sys/", "/dev/"};
    static const char *const PARTS[] = {"/.git/", "/.mlruns/", "/node_modules/", "/renv/"};
    if (is_installed(path))
        return only_read && (strstr(path, "/data/") || strstr(path, "/datasets/")) && !ends_with(path, ".rst");
    for (size_t each = 0; each < sizeof PARTS / sizeof *PARTS; each++)
        if (strstr(is_below(path, &root) ? path + root.size - 1 : path, PARTS[each])) return 0;
    if (ends_with(path, "/pyvenv.cfg")) return 0;
    for (int each = 0; each < places; each++)
        if (is_below(path, &nobodys[each])) return 0;
    if (is_below(path, &root)) return 1;
    for (size_t each = 0; each < sizeof SYSTEM / sizeof *SYSTEM; each++)
        if (starts_with(path, SYSTEM[each])) return 0;
    /* Settings, as ~/.bashrc, and what is installed, as in ~/.pyenv; libraries of Python keep data in such places. */
    return !(is_below(path, &home) && path[home.size] == '.' && !(is_python && strchr(path + home.size, '/')));
}

/* ---- Each file once ---- */

static uint64_t known[KNOWN];
static struct { uint64_t key; uint32_t count; } directories[DIRECTORIES];

static uint64_t hashed(uint64_t hash, const void *bytes, size_t size) {
    for (const unsigned char *at = bytes; size--; at++) hash = (hash ^ *at) * 0x100000001B3;
    return hash;
}

/* The slot of `key` in a table, taken now where it is not there; NULL where there is no room. */
static uint64_t *slot_of(void *table, size_t step, size_t size, uint64_t key, int *is_new) {
    key |= 1; /* 0 is an empty slot */
    for (size_t probe = 0; probe < MOST_PROBES; probe++) {
        uint64_t *slot = (uint64_t *)((char *)table + ((key >> 7) + probe) % size * step), there = 0;
        *is_new = __atomic_compare_exchange_n(slot, &there, key, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        if (*is_new || there == key) return slot;
    }
    *is_new = 1;
    return NULL;
}

static int is_new(const char *path, char mode, const struct stat64 *told) {
    uint64_t about[3] = {(uint64_t)told->st_dev, (uint64_t)told->st_ino, (uint64_t)mode};
    int new;
    uint64_t key = hashed(hashed(FIRST_HASH, about, sizeof about), path, strlen(path));
    slot_of(known, sizeof *known, KNOWN, key, &new);
    return new;
}

/* Whether a file that is read is one of so many in its directory that this is told of as one, which it is here. */
static int is_one_of_many(char *path) {
    char *slash = strrchr(path, '/');
    int new;
    uint64_t key = hashed(FIRST_HASH, path, (size_t)(slash - path));
    uint64_t *slot = slot_of(directories, sizeof *directories, DIRECTORIES, key, &new);
    if (!slot) return 0;
    uint32_t *count = (uint32_t *)(slot + 1);
    if (__atomic_load_n(count, __ATOMIC_RELAXED) >= MANY) return 1;
    if (__atomic_add_fetch(count, 1, __ATOMIC_RELAXED) != MANY) return 0;
    *slash = 0;
    char line[strlen(path) * LONGEST_ESCAPE + 128];
    char *at = put_quoted(put(put_event(line, "dir", now()), ",\"p\":"), path);
    *slash = '/';
    tell(getpid(), line, put(put_number(put(at, ",\"n\":"), MANY, 1), "}\n"));
    return 0;
}

/* ---- Files ---- */

/* Not inlined: what handles a crash, on a small stack of its own, opens files that are passed over before this. */
__attribute__((noinline)) static void tell_opened(int at, const char *path, char mode, int fd) {
    struct stat64 told;
    char whole[PATH_MAX];
    if (fstat64(fd, &told) || !S_ISREG(told.st_mode) || !is_new(path, mode, &told)) return;
    if (!absolute(at, path, whole) || !is_data(whole, mode == 'r') || (mode == 'r' && is_one_of_many(whole))) return;
    char line[strlen(whole) * LONGEST_ESCAPE + 256];
    char *to = put_quoted(put(put_event(line, "open", now()), ",\"p\":"), whole);
    to = put(put(put(to, ",\"m\":\""), mode == 'b' ? "rw" : mode == 'w' ? "w" : "r"), "\",\"st\":[");
    to = put(put_signed(to, told.st_size), ",");
    to = put(put_signed(to, (int64_t)told.st_mtim.tv_sec * 1000000000 + told.st_mtim.tv_nsec), ",");
    tell(getpid(), line, put(put_number(to, told.st_ino, 1), "]}\n"));
}

/* Tell of a file that was opened with `flags`: read (r), written (w) or both (b). */
static int was_opened(int at, const char *path, int flags, int fd) {
    /* O_TMPFILE has O_DIRECTORY in it. */
    if (fd >= 0 && tells_files && path && !(flags & (O_DIRECTORY | O_PATH)) && !is_never_data(path)) {
        int before = errno, access = flags & O_ACCMODE;
        int anew = access == O_WRONLY || flags & (O_TRUNC | O_EXCL | O_APPEND);
        tell_opened(at, path, access == O_RDONLY ? 'r' : anew ? 'w' : 'b', fd);
        errno = before;
    }
    return fd;
}

static FILE *was_fopened(const char *path, const char *mode, FILE *file) {
    int access = strchr(mode, '+') ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
    if (file) was_opened(AT_FDCWD, path, access | (mode[0] == 'r' ? 0 : O_TRUNC), fileno(file));
    return file;
}

static int was_renamed(int at, const char *from, int to_at, const char *to, int result) {
    int before = errno;
    char a[PATH_MAX], b[PATH_MAX];
    if (!result && tells_files && absolute(at, from, a) && absolute(to_at, to, b) && (is_data(a, 0) || is_data(b, 0))) {
        char line[(strlen(a) + strlen(b)) * LONGEST_ESCAPE + 128];
        char *end = put_quoted(put(put_event(line, "mv", now()), ",\"a\":"), a);
        tell(getpid(), line, put(put_quoted(put(end, ",\"b\":"), b), "}\n"));
    }
    errno = before;
    return result;
}

static void tell_listed(int at, const char *path, int fd) {
    char whole[PATH_MAX];
    struct stat64 told;
    if (fstat64(fd, &told) || !is_new(path, 'l', &told) || !absolute(at, path, whole)) return;
    const char *below = below_root(whole);
    if (!below || strstr(below, "/.") || strstr(below, "-packages")) return;
    char line[strlen(whole) * LONGEST_ESCAPE + 128];
    tell(getpid(), line, put(put_quoted(put(put_event(line, "ls", now()), ",\"p\":"), whole), "}\n"));
}

/* Tell of a directory of the project that was listed, as by a shell for `*.csv`. */
static DIR *was_listed(int at, const char *path, DIR *listed) {
    int before = errno;
    if (listed && tells_lists) tell_listed(at, path, dirfd(listed));
    errno = before;
    return listed;
}

#define MODE(flags, mode)                                                                                            \
    va_list more;                                                                                                    \
    va_start(more, flags);                                                                                           \
    mode_t mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(more, mode_t) : 0;                  \
    va_end(more);

#define OPEN(name)                                                                                                   \
    PUBLIC int name(const char *path, int flags, ...) {                                                              \
        MODE(flags, mode)                                                                                            \
        return was_opened(AT_FDCWD, path, flags, originals()->name(path, flags, mode));                              \
    }                                                                                                                \
    PUBLIC int __##name##_2(const char *path, int flags) {                                                           \
        return was_opened(AT_FDCWD, path, flags, originals()->name(path, flags));                                    \
    }
#define OPENAT(name)                                                                                                 \
    PUBLIC int name(int at, const char *path, int flags, ...) {                                                      \
        MODE(flags, mode)                                                                                            \
        return was_opened(at, path, flags, originals()->name(at, path, flags, mode));                                \
    }                                                                                                                \
    PUBLIC int __##name##_2(int at, const char *path, int flags) {                                                   \
        return was_opened(at, path, flags, originals()->name(at, path, flags));                                      \
    }
#define CREAT(name)                                                                                                  \
    PUBLIC int name(const char *path, mode_t mode) {                                                                 \
        return was_opened(AT_FDCWD, path, O_WRONLY | O_TRUNC, originals()->name(path, mode));                        \
    }
#define FOPEN(name)                                                                                                  \
    PUBLIC FILE *name(const char *path, const char *mode) {                                                          \
        return was_fopened(path, mode, originals()->name(path, mode));                                               \
    }
#define FREOPEN(name)                                                                                                \
    PUBLIC FILE *name(const char *path, const char *mode, FILE *file) {                                              \
        return was_fopened(path, mode, originals()->name(path, mode, file));                                         \
    }

OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64) CREAT(creat) CREAT(creat64)
FOPEN(fopen) FOPEN(fopen64) FREOPEN(freopen) FREOPEN(freopen64)

PUBLIC DIR *opendir(const char *path) { return was_listed(AT_FDCWD, path, originals()->opendir(path)); }

PUBLIC DIR *fdopendir(int fd) { return was_listed(fd, "", originals()->fdopendir(fd)); }

PUBLIC int rename(const char *from, const char *to) {
    return was_renamed(AT_FDCWD, from, AT_FDCWD, to, originals()->rename(from, to));
}

PUBLIC int renameat(int at, const char *from, int to_at, const char *to) {
    return was_renamed(at, from, to_at, to, originals()->renameat(at, from, to_at, to));
}

PUBLIC int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags) {
    return was_renamed(at, from, to_at, to, originals()->renameat2(at, from, to_at, to, flags));
}

/* ---- Programs that are started ---- */

static int is_variable(const char *entry, const char *name) {
    size_t size = strlen(name);
    return strncmp(entry, name, size) == 0 && entry[size] == '=';
}

static const char *value_in(char *const environment[], const char *name) {
    for (; environment && *environment; environment++)
        if (is_variable(*environment, name)) return *environment + strlen(name) + 1;
    return NULL;
}

static int holds(const char *list, const char *entry) { return list && strstr(list, entry); }

/* How much memory `with_ours` needs for an environment; 0 where nothing is to be put back. */
static size_t room_for(char *const environment[]) {
    if (!*events) return 0;
    const char *preload = value_in(environment, "LD_PRELOAD"), *path = value_in(environment, "PYTHONPATH");
    if (holds(preload, library) && holds(path, hook) && value_in(environment, VARIABLES[0])) return 0;
    size_t count = VARIABLE_COUNT + 3;
    for (char *const *each = environment; each && *each; each++) count++;
    size_t text = (preload ? strlen(preload) : 0) + (path ? strlen(path) : 0);
    return count * sizeof(char *) + text + sizeof library + sizeof hook + 64;
}

/* `name` with `ours` before the others, unless it is among them; the memory behind it. */
static char *put_first(char *to, const char *name, const char *ours, const char *others) {
    to = put(put(to, name), "=");
    if (!holds(others, ours)) to = put(put(to, ours), others && *others ? ":" : "");
    return put(to, others ? others : "") + 1;
}

/* The environment with our library, the bootstrap and the run's variables in it, made in `memory`. */
static char **with_ours(char *const environment[], void *memory, size_t room) {
    if (!room) return (char **)environment;
    const char *preload = value_in(environment, "LD_PRELOAD"), *path = value_in(environment, "PYTHONPATH");
    int emptied = !value_in(environment, VARIABLES[0]);
    char **entries = memory, **next = entries;
    for (char *const *each = environment; each && *each; each++)
        if (!is_variable(*each, "LD_PRELOAD") && !is_variable(*each, "PYTHONPATH")) *next++ = *each;
    for (size_t each = 0; emptied && each < VARIABLE_COUNT; each++)
        if (*kept[each] && !value_in(environment, VARIABLES[each])) *next++ = kept[each];
    char *text = (char *)(next + 3);
    *next++ = text;
    text = put_first(text, "LD_PRELOAD", library, preload);
    *next++ = text;
    put_first(text, "PYTHONPATH", hook, path);
    *next = NULL;
    return entries;
}

#define WITH_OURS(environment, ours)                                                                                 \
    size_t room_of_##ours = room_for(environment);                                                                   \
    char *memory_of_##ours[room_of_##ours / sizeof(char *) + 1];                                                     \
    char **ours = with_ours(environment, memory_of_##ours, room_of_##ours);

/* Tell that process `pid` was turned into `program`, or that it was not after all. */
static void tell_started(pid_t pid, const char *program, struct timespec time, int failed) {
    int before = errno;
    if (*events && program && strlen(program) < PATH_MAX) {
        char line[strlen(program) * LONGEST_ESCAPE + 128];
        char *end = put_number(put(put_event(line, "exec", time), ",\"pid\":"), (uint64_t)pid, 1);
        end = put_quoted(put(end, ",\"p\":"), program);
        tell(0, line, put(end, failed ? ",\"failed\":true}\n" : "}\n"));
    }
    errno = before;
}

/* Whether a program can be started at all: some try each directory of PATH. */
static int is_there(const char *program) {
    int before = errno, there = program && faccessat(AT_FDCWD, program, X_OK, 0) == 0;
    errno = before;
    return there;
}

/* Whether an environment is that of another run, which is told there of its programs. */
static int is_anothers(char *const environment[]) {
    const char *directory = value_in(environment, VARIABLES[0]);
    return directory && strcmp(directory, events) != 0;
}

#define EXEC(program, call)                                                                                          \
    if (is_anothers(environment)) return call;                                                                       \
    tell_started(getpid(), program, now(), 0);                                                                       \
    int result = call;                                                                                               \
    tell_started(getpid(), program, now(), 1);                                                                       \
    return result;

PUBLIC int execve(const char *path, char *const argv[], char *const environment[]) {
    WITH_OURS(environment, ours)
    if (!is_there(path)) return originals()->execve(path, argv, ours);
    EXEC(path, originals()->execve(path, argv, ours))
}

PUBLIC int execvpe(const char *file, char *const argv[], char *const environment[]) {
    WITH_OURS(environment, ours)
    EXEC(file, originals()->execvpe(file, argv, ours))
}

PUBLIC int fexecve(int fd, char *const argv[], char *const environment[]) {
    WITH_OURS(environment, ours)
    EXEC("a program", originals()->fexecve(fd, argv, ours))
}

PUBLIC int execv(const char *path, char *const argv[]) { return execve(path, argv, environ); }

PUBLIC int execvp(const char *file, char *const argv[]) { return execvpe(file, argv, environ); }

/* The arguments that follow `first`, up to NULL, as a list. */
#define LISTED(first, argv, after)                                                                                   \
    va_list more;                                                                                                    \
    size_t count = 1;                                                                                                \
    va_start(more, first);                                                                                           \
    for (const char *each = first; each; each = va_arg(more, const char *)) count++;                                 \
    va_end(more);                                                                                                    \
    char *argv[count];                                                                                               \
    argv[0] = (char *)first;                                                                                         \
    va_start(more, first);                                                                                           \
    for (size_t each = 1; each < count; each++) argv[each] = va_arg(more, char *);                                   \
    after;                                                                                                           \
    va_end(more);

PUBLIC int execl(const char *path, const char *first, ...) {
    LISTED(first, argv, )
    return execve(path, argv, environ);
}

PUBLIC int execlp(const char *file, const char *first, ...) {
    LISTED(first, argv, )
    return execvpe(file, argv, environ);
}

PUBLIC int execle(const char *path, const char *first, ...) {
    char *const *environment;
    LISTED(first, argv, environment = va_arg(more, char *const *))
    return execve(path, argv, environment);
}

#define SPAWN(name)                                                                                                  \
    PUBLIC int name(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,                         \
                    const posix_spawnattr_t *attributes, char *const argv[], char *const environment[]) {            \
        pid_t child = 0;                                                                                             \
        struct timespec time = now();                                                                                \
        WITH_OURS(environment, ours)                                                                                 \
        int failed = originals()->name(&child, path, actions, attributes, argv, ours);                               \
        if (!failed) {                                                                                               \
            if (pid) *pid = child;                                                                                   \
            if (!is_anothers(environment)) tell_started(child, path, time, 0);                                       \
        }                                                                                                            \
        return failed;                                                                                               \
    }

SPAWN(posix_spawn) SPAWN(posix_spawnp)

/* Tell that a command is started with an environment of which we are gone, and which is not ours to change: others may
read it at this moment. */
static void tell_if_bare(void) {
    int before = errno;
    if (*events && !(holds(value_in(environ, "LD_PRELOAD"), library) && value_in(environ, VARIABLES[0]))) {
        char line[256], *end = put(put_event(line, "trouble", now()), ",\"where\":\"system\",\"what\":\"");
        tell(0, line, put(end, "a command was started after the environment was emptied, and is not seen\"}\n"));
    }
    errno = before;
}

PUBLIC int system(const char *command) {
    tell_if_bare();
    return originals()->system(command);
}

PUBLIC FILE *popen(const char *command, const char *mode) {
    tell_if_bare();
    return originals()->popen(command, mode);
}

/* ---- The start of a process ---- */

static int is_one_of(const char *name, const char *const names[]) {
    for (; *names; names++)
        if (strcmp(name, *names) == 0) return 1;
    return 0;
}

static void keep_variables(void) {
    for (size_t each = 0; each < VARIABLE_COUNT; each++) {
        const char *value = getenv(VARIABLES[each]);
        if (value && strlen(value) < PATH_MAX) put(put(put(kept[each], VARIABLES[each]), "="), value);
    }
}

/* What lies where a Python is installed, as its standard library, is nobody's data. */
static void set_prefix(const char *python) {
    char prefix[PATH_MAX];
    if (!python || python[0] != '/' || strlen(python) >= sizeof prefix) return;
    put(prefix, python);
    for (int up = 0; up < 2 && *prefix; up++) *strrchr(prefix, '/') = 0;
    set_nobodys(prefix, "");
}

static void find_places(void) {
    const char *user = getenv("HOME");
    set_place(&root, getenv("MLCLI_ROOT"), "");
    set_place(&home, user, "");
    if (root.size && strcmp(root.text, home.text) == 0) home.size = 0;
    set_nobodys(events, "");
    set_nobodys(hook, "");
    set_nobodys(getenv("MLCLI_STORE"), "");
    set_nobodys(user, ".cache/");
    set_nobodys(user, ".config/");
    set_nobodys(user, "R/"); /* where R installs packages */
    set_nobodys(getenv("CONDA_PREFIX"), "");
    set_nobodys(getenv("VIRTUAL_ENV"), "");
}

/* Whether a Python runs mlcli itself: what that reads is none of the run's, as the bootstrap knows, too. */
static int is_mlcli(char *const argv[]) {
    if (!argv || !argv[0] || !argv[1]) return 0;
    const char *named = strcmp(argv[1], "-m") == 0 && argv[2] ? argv[2] : base_name(argv[1]);
    return strcmp(named, "mlcli") == 0;
}

/* Tell that this program runs and is watched: of its arguments only such options of a Python as stop the bootstrap. */
static void tell_program(const char *program, const char *name, char *const argv[]) {
    char line[(strlen(program) + strnlen(name, NAME_MAX)) * LONGEST_ESCAPE + 1024];
    char *end = put_number(put(put_event(line, "native", now()), ",\"pid\":"), (uint64_t)getpid(), 1);
    end = put_number(put(end, ",\"ppid\":"), (uint64_t)getppid(), 1);
    end = put_quoted(put(end, ",\"exe\":"), program);
    if (strlen(name) < NAME_MAX) end = put_quoted(put(end, ",\"name\":"), name);
    end = put(end, ",\"flags\":[");
    for (int each = 1, told = 0; is_python && each < 16 && argv && argv[each] && argv[each][0] == '-'; each++) {
        const char *flag = argv[each];
        if (strlen(flag) > 9 || strspn(flag + 1, "-bBdehiIEnoOPqrsSuvVx") != strlen(flag + 1)) continue;
        end = put_quoted(told++ ? put(end, ",") : end, flag);
    }
    tell(0, line, put(end, "]}\n"));
}

__attribute__((constructor)) static void begin(int argc, char **argv) {
    (void)argc;
    static const char *const NO_DATA[] = {"git", "ssh", "ldconfig", NULL};
    static const char *const LIST_FOR_THEMSELVES[] = {"git", "make", "gmake", "ninja", "cmake", NULL};
    int before = errno;
    const char *directory = getenv(VARIABLES[0]);
    char program[PATH_MAX];
    Dl_info here;
    originals();
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    if (directory && *directory && strlen(directory) < sizeof events && size > 0 && dladdr((void *)begin, &here) &&
        strlen(here.dli_fname) < sizeof library && here.dli_fname[0] == '/') {
        program[size] = 0;
        const char *name = base_name(program), *kinds = getenv(VARIABLES[1]);
        is_python = starts_with(name, "python") || starts_with(name, "pypy");
        int is_ours = is_python && is_mlcli(argv);
        put(library, here.dli_fname);
        put(hook, library);
        *strrchr(hook, '/') = 0;
        put(events, directory);
        keep_variables();
        find_places();
        if (is_python) set_prefix(program);
        if (is_python && argv) set_prefix(argv[0]); /* as of a virtual environment */
        int files = !kinds || strstr(kinds, "inputs") || strstr(kinds, "outputs");
        tells_files = files && !is_ours && !is_one_of(name, NO_DATA);
        /* A Python lists what it imports from; its bootstrap knows what for. */
        tells_lists = files && root.size && !is_python && !is_one_of(name, LIST_FOR_THEMSELVES);
        tell_program(program, is_ours ? "mlcli" : argv && argv[0] ? base_name(argv[0]) : name, argv);
    }
    errno = before;
}
