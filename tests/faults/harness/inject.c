/* Lets file calls go wrong: preloaded, it counts the calls that touch files below one root, and acts on one of them.
 *
 * What to do is read from a struct that the Python side fills (injector.py mirrors it, field by field). It lies in memory
 * that a process shares with the one that started it, so that what happened is known also after a SIGKILL. Nothing is
 * counted before fault_use() was called. A trace of the calls, with their data, is written where log_fd says.
 *
 *     cc -O1 -shared -fPIC -fno-builtin -o inject.so inject.c -ldl
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
  CREATE = 1, WRITE = 2, SYNC = 4, RENAME = 8, LINK = 16, UNLINK = 32, MKDIR = 64, TRUNCATE = 128, LOCK = 256,
  MODE = 512, OPEN = 1024, READ = 2048, MAPPED = 4096, ALLOCATE = 8192,
};
enum mode { NOTHING, KILL_BEFORE, KILL_AFTER, TORN, ERROR_ONCE, ERROR_FROM, SHORT, FULL, LIE };
enum todo { GO, FAIL, HALF, THEN_DIE, THEN_LIE };

struct state {
  int64_t calls;          /* calls of the kinds that count */
  int64_t fired;          /* how often one went wrong */
  int64_t at, mode, error;
  int64_t kinds;          /* which count */
  int64_t after;          /* which go on failing, once ERROR_FROM or FULL has begun */
  int64_t failing;        /* it has begun */
  int64_t jitter_us;      /* a random wait of up to this before each call that counts */
  int64_t clock_ns;       /* if not 0, the time of day: it stands still but for clock_step_ns a question */
  int64_t clock_step_ns;
  int64_t clock_offset_ns; /* if clock_ns is 0: what the time of day is off by */
  int64_t log_fd;         /* -1: no trace */
  char root[PATH_MAX];
};

static struct state *st;

void fault_use(struct state *state) { st = state; }

static int64_t outside_offset;  /* for whole commands: FAULT_CLOCK_SECONDS */
__attribute__((constructor)) static void start(void) {
  const char *seconds = getenv("FAULT_CLOCK_SECONDS");
  if (seconds) outside_offset = atoll(seconds) * 1000000000LL;
}

/* Where a call goes */

static int below(const char *path) {
  size_t n = strlen(st->root);
  return n && !strncmp(path, st->root, n) && (path[n] == '/' || !path[n]);
}

static const char *path_of_fd(int fd, char *out) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, out, PATH_MAX - 1);
  out[n < 0 ? 0 : n] = 0;
  return out;
}

static const char *absolute(int directory, const char *path, char *out) {
  if (path[0] == '/') { snprintf(out, PATH_MAX, "%s", path); return out; }
  char top[PATH_MAX];
  if (directory == AT_FDCWD) { if (!getcwd(top, sizeof top)) top[0] = 0; } else path_of_fd(directory, top);
  if (!path[0]) snprintf(out, PATH_MAX, "%.*s", PATH_MAX - 1, top);
  else snprintf(out, PATH_MAX, "%.2000s/%.2000s", top, path);
  return out;
}

static int path_counts(int directory, const char *path, char *out) { return st && path && below(absolute(directory, path, out)); }
static int fd_counts(int fd, char *out) { return st && below(path_of_fd(fd, out)); }

/* The trace: one line a call, a write's followed by its data */

static void log_line(const void *data, size_t size, const char *format, ...) {
  char line[2 * PATH_MAX + 64];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  struct iovec parts[] = {{line, (size_t)n}, {(void *)data, size}};
  syscall(SYS_writev, (int)st->log_fd, parts, size ? 2 : 1);
}

static unsigned long inode_of_fd(int fd) { struct stat found; return fstat(fd, &found) ? 0 : (unsigned long)found.st_ino; }
static unsigned long inode_of(const char *path) { struct stat found; return lstat(path, &found) ? 0 : (unsigned long)found.st_ino; }

/* Memory-mapped files: what was stored in them is found by comparing with what was there before */

static struct map { char *at, *before; size_t size; off_t offset; unsigned long inode; } maps[16];
static int map_count;

static void log_stores(void) {
  for (int i = 0; i < map_count; i++) {
    struct map *m = &maps[i];
    if (!m->before || !memcmp(m->at, m->before, m->size)) continue;
    size_t first = 0, last = m->size;
    while (m->at[first] == m->before[first]) first++;
    while (m->at[last - 1] == m->before[last - 1]) last--;
    log_line(m->at + first, last - first, "write\t%lu\t%lld\t%zu\n", m->inode, (long long)(m->offset + first), last - first);
    memmove(m->before + first, m->at + first, last - first);
  }
}

static int logging(void) { if (!st || st->log_fd < 0) return 0; log_stores(); return 1; }
void fault_note(const char *text) { if (logging()) log_line(0, 0, "note\t%s\n", text); }

/* What is to be done at a call */

__attribute__((noreturn)) static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

static int fail(void) { __atomic_add_fetch(&st->fired, 1, __ATOMIC_SEQ_CST); errno = (int)st->error; return FAIL; }

static enum todo due(enum kind kind) {
  if (st->failing && (st->after & kind)) return fail();
  if (!(st->kinds & kind)) return GO;
  int64_t n = __atomic_add_fetch(&st->calls, 1, __ATOMIC_SEQ_CST);
  if (st->jitter_us) {
    static __thread unsigned seed;
    if (!seed) seed = (unsigned)getpid() * 2654435761u + 1;
    usleep((unsigned)rand_r(&seed) % (unsigned)st->jitter_us);
  }
  if (st->mode == NOTHING || n != st->at) return GO;
  if (st->mode == ERROR_FROM || st->mode == FULL) st->failing = 1;
  if (st->mode == ERROR_ONCE || st->mode == ERROR_FROM) return fail();
  __atomic_add_fetch(&st->fired, 1, __ATOMIC_SEQ_CST);
  switch (st->mode) {
    case KILL_BEFORE: die();
    case KILL_AFTER: return THEN_DIE;
    case LIE: return THEN_LIE;
    default: return HALF;
  }
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, #name)
/* Begins a call that counts where `where` holds; `failed` is what it answers when it is made to fail. */
#define BEGIN(where, kind, failed) \
  char path[PATH_MAX], other[PATH_MAX] __attribute__((unused)); enum todo todo = GO; int counts = (where); \
  if (counts) { todo = due(kind); if (todo == FAIL) return failed; if (todo == HALF) todo = GO; }
#define END(result, ok, failed) \
  if (todo == THEN_DIE) die(); \
  if (todo == THEN_LIE && (ok)) { errno = (int)st->error; return failed; } \
  return result
#define TRACE(ok, ...) if (counts && (ok) && logging()) { int kept = errno; log_line(0, 0, __VA_ARGS__); errno = kept; }

/* Opening */

static enum kind open_kind(int flags) {
  return flags & (O_CREAT | O_TRUNC) || (flags & O_TMPFILE) == O_TMPFILE ? CREATE : OPEN;
}

#define OPENED(name, directory, call) \
  mode_t m = 0; \
  if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { va_list v; va_start(v, flags); m = va_arg(v, mode_t); va_end(v); } \
  BEGIN(path_counts(directory, p, path), open_kind(flags), -1) \
  unsigned long was = counts && st->log_fd >= 0 ? inode_of(path) : 0; \
  int fd = call; \
  if (counts && fd >= 0 && logging()) { \
    unsigned long now = inode_of_fd(fd); \
    if ((flags & O_TMPFILE) == O_TMPFILE) log_line(0, 0, "create\t\t%lu\n", now); \
    else if (now != was) log_line(0, 0, "create\t%s\t%lu\n", path, now); \
    else if (flags & O_TRUNC) log_line(0, 0, "truncate\t%lu\t0\n", now); \
  } \
  END(fd, fd >= 0, (close(fd), errno = (int)st->error, -1))

int open(const char *p, int flags, ...) { REAL(int, open, const char *, int, ...); OPENED(open, AT_FDCWD, real(p, flags, m)); }
int open64(const char *p, int flags, ...) { REAL(int, open64, const char *, int, ...); OPENED(open64, AT_FDCWD, real(p, flags, m)); }
int openat(int d, const char *p, int flags, ...) { REAL(int, openat, int, const char *, int, ...); OPENED(openat, d, real(d, p, flags, m)); }
int openat64(int d, const char *p, int flags, ...) { REAL(int, openat64, int, const char *, int, ...); OPENED(openat64, d, real(d, p, flags, m)); }

DIR *opendir(const char *p) {
  REAL(DIR *, opendir, const char *);
  BEGIN(path_counts(AT_FDCWD, p, path), OPEN, NULL)
  DIR *opened = real(p);
  END(opened, 0, NULL);
}

/* Reading */

ssize_t read(int fd, void *data, size_t n) {
  REAL(ssize_t, read, int, void *, size_t);
  BEGIN(fd_counts(fd, path), READ, -1)
  ssize_t r = real(fd, data, n);
  END(r, r >= 0, -1);
}
ssize_t readv(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, readv, int, const struct iovec *, int);
  BEGIN(fd_counts(fd, path), READ, -1)
  ssize_t r = real(fd, parts, count);
  END(r, r >= 0, -1);
}
#define PREAD(name) ssize_t name(int fd, void *data, size_t n, off_t at) { REAL(ssize_t, name, int, void *, size_t, off_t); \
  BEGIN(fd_counts(fd, path), READ, -1) ssize_t r = real(fd, data, n, at); END(r, r >= 0, -1); }
PREAD(pread) PREAD(pread64)

/* Writing */

static void log_write(int fd, const void *data, ssize_t n, off_t at) {
  int kept = errno;
  if (n > 0 && logging()) log_line(data, (size_t)n, "write\t%lu\t%lld\t%zd\n", inode_of_fd(fd), (long long)(at < 0 ? lseek(fd, 0, SEEK_CUR) - n : at), n);
  errno = kept;
}

/* Half of it is written, or nothing where it is one byte, which cannot be halved. */
#define WRITTEN(half_call, whole_call, offset) \
  char path[PATH_MAX]; enum todo todo = GO; int counts = fd_counts(fd, path); \
  if (counts) todo = due(WRITE); \
  if (todo == FAIL) return -1; \
  if (todo == HALF) { \
    size_t half = n / 2; ssize_t r = half ? half_call : 0; \
    log_write(fd, data, r, offset); \
    if (st->mode == TORN) die(); \
    if (r <= 0) { errno = (int)st->error; return -1; } \
    return r; \
  } \
  ssize_t r = whole_call; \
  if (counts) log_write(fd, data, r, offset); \
  END(r, r >= 0, -1)

ssize_t write(int fd, const void *data, size_t n) {
  REAL(ssize_t, write, int, const void *, size_t);
  WRITTEN(real(fd, data, half), real(fd, data, n), -1);
}
#define PWRITE(name) ssize_t name(int fd, const void *data, size_t n, off_t at) { \
  REAL(ssize_t, name, int, const void *, size_t, off_t); WRITTEN(real(fd, data, half, at), real(fd, data, n, at), at); }
PWRITE(pwrite) PWRITE(pwrite64)

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(ssize_t, writev, int, const struct iovec *, int);
  char path[PATH_MAX];
  if (!fd_counts(fd, path)) return real(fd, parts, count);
  size_t n = 0;
  for (int i = 0; i < count; i++) n += parts[i].iov_len;
  char *data = malloc(n + 1);
  for (size_t i = 0, at = 0; i < (size_t)count; at += parts[i++].iov_len) memmove(data + at, parts[i].iov_base, parts[i].iov_len);
  ssize_t written = write(fd, data, n);
  free(data);
  return written;
}

/* What the kernel copies is a write, too; in the trace it is found by reading it back. */
static void log_copied(int fd, off_t at, ssize_t n) {
  if (n <= 0 || st->log_fd < 0) return;
  char *data = malloc((size_t)n), self[64];
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  int reading = (int)syscall(SYS_openat, AT_FDCWD, self, O_RDONLY | O_CLOEXEC);
  if (syscall(SYS_pread64, reading, data, (size_t)n, at) == n) log_write(fd, data, n, at);
  syscall(SYS_close, reading);
  free(data);
}
#define SENDFILE(name) ssize_t name(int fd, int from, off_t *offset, size_t n) { \
  REAL(ssize_t, name, int, int, off_t *, size_t); \
  char path[PATH_MAX]; enum todo todo = GO; int counts = fd_counts(fd, path); \
  if (counts) todo = due(WRITE); \
  if (todo == FAIL) return -1; \
  off_t at = counts ? lseek(fd, 0, SEEK_CUR) : 0; \
  ssize_t r = real(fd, from, offset, todo == HALF ? n / 2 : n); \
  if (counts) log_copied(fd, at, r); \
  if (todo == HALF && st->mode == TORN) die(); \
  END(r, r >= 0, -1); }
SENDFILE(sendfile) SENDFILE(sendfile64)
ssize_t copy_file_range(int from, off_t *offset, int fd, off_t *to, size_t n, unsigned flags) {
  REAL(ssize_t, copy_file_range, int, off_t *, int, off_t *, size_t, unsigned);
  char path[PATH_MAX]; enum todo todo = GO; int counts = fd_counts(fd, path);
  if (counts) todo = due(WRITE);
  if (todo == FAIL) return -1;
  off_t at = !counts ? 0 : to ? *to : lseek(fd, 0, SEEK_CUR);
  ssize_t r = real(from, offset, fd, to, todo == HALF ? n / 2 : n, flags);
  if (counts) log_copied(fd, at, r);
  if (todo == HALF && st->mode == TORN) die();
  END(r, r >= 0, -1);
}
int ioctl(int fd, unsigned long request, ...) {
  REAL(int, ioctl, int, unsigned long, ...);
  va_list v; va_start(v, request); void *argument = va_arg(v, void *); va_end(v);
  if (request != 0x40049409 /* FICLONE */) return real(fd, request, argument);
  BEGIN(fd_counts(fd, path), WRITE, -1)
  int r = real(fd, request, argument);
  struct stat found;
  if (counts && !r && !fstat(fd, &found)) log_copied(fd, 0, found.st_size);
  END(r, !r, -1);
}

/* Files' lengths */

#define FTRUNCATE(name) int name(int fd, off_t size) { REAL(int, name, int, off_t); \
  BEGIN(fd_counts(fd, path), TRUNCATE, -1) int r = real(fd, size); \
  TRACE(!r, "truncate\t%lu\t%lld\n", inode_of_fd(fd), (long long)size) END(r, !r, -1); }
FTRUNCATE(ftruncate) FTRUNCATE(ftruncate64)
#define TRUNCATE_(name) int name(const char *p, off_t size) { REAL(int, name, const char *, off_t); \
  BEGIN(path_counts(AT_FDCWD, p, path), TRUNCATE, -1) int r = real(p, size); \
  TRACE(!r, "truncate\t%lu\t%lld\n", inode_of(path), (long long)size) END(r, !r, -1); }
TRUNCATE_(truncate) TRUNCATE_(truncate64)
#define POSIX_FALLOCATE(name) int name(int fd, off_t at, off_t size) { REAL(int, name, int, off_t, off_t); \
  BEGIN(fd_counts(fd, path), ALLOCATE, errno) int r = real(fd, at, size); \
  TRACE(!r, "allocate\t%lu\t%lld\n", inode_of_fd(fd), (long long)(at + size)) END(r, !r, errno); }
POSIX_FALLOCATE(posix_fallocate) POSIX_FALLOCATE(posix_fallocate64)
#define FALLOCATE(name) int name(int fd, int how, off_t at, off_t size) { REAL(int, name, int, int, off_t, off_t); \
  BEGIN(fd_counts(fd, path), ALLOCATE, -1) int r = real(fd, how, at, size); \
  TRACE(!r, "allocate\t%lu\t%lld\n", inode_of_fd(fd), (long long)(at + size)) END(r, !r, -1); }
FALLOCATE(fallocate) FALLOCATE(fallocate64)

/* Making durable */

static int is_directory(int fd) { struct stat found; return !fstat(fd, &found) && S_ISDIR(found.st_mode); }
#define SYNCED(name) int name(int fd) { REAL(int, name, int); \
  BEGIN(fd_counts(fd, path), SYNC, -1) int r = real(fd); \
  if (counts && !r && logging()) { \
    if (is_directory(fd)) log_line(0, 0, "syncdir\t%s\n", path); else log_line(0, 0, "sync\t%lu\n", inode_of_fd(fd)); } \
  END(r, !r, -1); }
SYNCED(fsync) SYNCED(fdatasync)
int syncfs(int fd) { REAL(int, syncfs, int); BEGIN(fd_counts(fd, path), SYNC, -1) int r = real(fd); TRACE(!r, "syncall\n") END(r, !r, -1); }

/* Names */

#define NAMED(name, kind, d, p, declared, real_types, call, ...) int name declared { REAL(int, name, real_types); \
  BEGIN(path_counts(d, p, path), kind, -1) int r = call; TRACE(!r, __VA_ARGS__) END(r, !r, -1); }
#define T(...) __VA_ARGS__
NAMED(unlink, UNLINK, AT_FDCWD, p, (const char *p), T(const char *), real(p), "unlink\t%s\n", path)
NAMED(unlinkat, UNLINK, d, p, (int d, const char *p, int f), T(int, const char *, int), real(d, p, f), "unlink\t%s\n", path)
NAMED(rmdir, UNLINK, AT_FDCWD, p, (const char *p), T(const char *), real(p), "unlink\t%s\n", path)
NAMED(mkdir, MKDIR, AT_FDCWD, p, (const char *p, mode_t m), T(const char *, mode_t), real(p, m), "mkdir\t%s\n", path)
NAMED(mkdirat, MKDIR, d, p, (int d, const char *p, mode_t m), T(int, const char *, mode_t), real(d, p, m), "mkdir\t%s\n", path)
NAMED(symlink, LINK, AT_FDCWD, p, (const char *t, const char *p), T(const char *, const char *), real(t, p), "symlink\t%s\n", path)
NAMED(link, LINK, AT_FDCWD, b, (const char *a, const char *b), T(const char *, const char *), real(a, b),
      "link\t%s\t%lu\n", path, inode_of(path))
NAMED(linkat, LINK, e, b, (int d, const char *a, int e, const char *b, int f), T(int, const char *, int, const char *, int),
      real(d, a, e, b, f), "link\t%s\t%lu\n", path, inode_of(path))
NAMED(rename, RENAME, AT_FDCWD, b, (const char *a, const char *b), T(const char *, const char *), real(a, b),
      "rename\t%s\t%s\n", absolute(AT_FDCWD, a, other), path)
NAMED(renameat, RENAME, e, b, (int d, const char *a, int e, const char *b), T(int, const char *, int, const char *),
      real(d, a, e, b), "rename\t%s\t%s\n", absolute(d, a, other), path)
NAMED(renameat2, RENAME, e, b, (int d, const char *a, int e, const char *b, unsigned f),
      T(int, const char *, int, const char *, unsigned), real(d, a, e, b, f), "rename\t%s\t%s\n", absolute(d, a, other), path)
NAMED(chmod, MODE, AT_FDCWD, p, (const char *p, mode_t m), T(const char *, mode_t), real(p, m), "mode\t%s\n", path)
int fchmod(int fd, mode_t m) { REAL(int, fchmod, int, mode_t); BEGIN(fd_counts(fd, path), MODE, -1) int r = real(fd, m); END(r, !r, -1); }

/* Locks */

int flock(int fd, int how) {
  REAL(int, flock, int, int);
  BEGIN(fd_counts(fd, path), LOCK, -1)
  int r = real(fd, how);
  END(r, !r, -1);
}

/* Memory */

static void *mapped(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
  char path[PATH_MAX];
  if (at == MAP_FAILED || !st || !(protection & PROT_WRITE) || !(flags & MAP_SHARED) || fd < 0 || map_count == 16) return at;
  if (!fd_counts(fd, path)) return at;
  struct map *m = &maps[map_count];
  *m = (struct map){.at = at, .size = size, .offset = offset, .inode = inode_of_fd(fd)};
  if (st->log_fd >= 0 && (m->before = malloc(size))) memmove(m->before, at, size);
  map_count++;
  return at;
}
#define MMAP(name) void *name(void *where, size_t size, int protection, int flags, int fd, off_t offset) { \
  REAL(void *, name, void *, size_t, int, int, int, off_t); \
  return mapped(real(where, size, protection, flags, fd, offset), size, protection, flags, fd, offset); }
MMAP(mmap) MMAP(mmap64)

int munmap(void *at, size_t size) {
  REAL(int, munmap, void *, size_t);
  for (int i = 0; i < map_count; i++)
    if (maps[i].at == at) {
      logging();
      free(maps[i].before);
      maps[i] = maps[--map_count];
      break;
    }
  return real(at, size);
}

static struct map *map_at(const void *at) {
  for (int i = 0; i < map_count; i++)
    if ((const char *)at >= maps[i].at && (const char *)at < maps[i].at + maps[i].size) return &maps[i];
  return NULL;
}

int msync(void *at, size_t size, int flags) {
  REAL(int, msync, void *, size_t, int);
  struct map *m = st ? map_at(at) : NULL;
  BEGIN(m != NULL, SYNC, -1)
  (void)path;
  int r = real(at, size, flags);
  TRACE(!r && (flags & MS_SYNC), "sync\t%lu\n", m->inode)
  END(r, !r, -1);
}

/* A store of many bytes is no single step either: it may be killed half-way. */
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  if (!map_count || !st || !n || !map_at(to)) return memmove(to, from, n);
  enum todo todo = due(MAPPED);
  if (todo == HALF && st->mode == TORN) { memmove(to, from, n / 2); die(); }
  memmove(to, from, n);
  if (todo == THEN_DIE) die();
  return to;
}

/* The time of day */

int clock_gettime(clockid_t clock, struct timespec *out) {
  int r = (int)syscall(SYS_clock_gettime, clock, out);
  if (r || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return r;
  int64_t now = out->tv_sec * 1000000000LL + out->tv_nsec + outside_offset;
  if (st && st->clock_ns) now = __atomic_add_fetch(&st->clock_ns, st->clock_step_ns, __ATOMIC_SEQ_CST);
  else if (st) now += st->clock_offset_ns;
  out->tv_sec = now / 1000000000LL;
  out->tv_nsec = now % 1000000000LL;
  return 0;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}
