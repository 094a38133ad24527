/* A fault line between a program and the system, loaded with LD_PRELOAD into processes that tests start.

   Every call that changes what is on the disk below one folder passes through here: CPython's, SQLite's, in every
   thread and in child processes. Each is a point with a name ("fdatasync blocks/packs/#.pack"); numbers and digests in
   paths become # and *, so that names are the same in every run. What happens at a point is told by a page of shared
   memory (see line.py for its layout), which the test may change at any time: nothing, a signal before or after the
   call, half a write and a signal, or an error of the system. The page also sets the clock that processes see.

   Not seen: memory maps. The only one written to is SQLite's -shm, which is no part of what is kept. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { NAME_BYTES = 256 };
enum when { BEFORE = 1, AFTER = 2, TORN = 3, REFUSE = 4 };

struct page {
  _Atomic int32_t tracing;      /* 1: each point is written to the trace */
  _Atomic int32_t armed;        /* 1: the fields below count */
  int32_t when;                 /* enum when */
  int32_t occurrence;           /* act at the n-th point of that name, from 1 */
  int32_t value;                /* signal, or errno */
  int32_t lasts;                /* 1: every point from then on that needs room is refused as well */
  _Atomic int32_t met;          /* points of that name since it was armed */
  _Atomic int32_t fired;        /* how often something was done */
  _Atomic int64_t clock_offset; /* seconds added to the wall clock */
  _Atomic int32_t ends;         /* signals ever sent */
  _Atomic int32_t claimed;      /* 1: a thread is at the point, and will send its signal, now or after the call */
  char name[NAME_BYTES];        /* the point; "" is every point that needs room */
};

static struct page *page;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  const char *page_path = getenv("FAULT_LINE_PAGE"), *folder = getenv("FAULT_LINE_ROOT");
  if (!page_path || !folder || !realpath(folder, root)) return;
  root_length = strlen(root);
  int file = (int)syscall(SYS_openat, AT_FDCWD, page_path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return;
  const char *trace_path = getenv("FAULT_LINE_TRACE");
  if (trace_path) trace = (int)syscall(SYS_openat, AT_FDCWD, trace_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  page = mapped;
}

/* The name of a point, or 0 where the path is none of ours. The folder itself changes from test to test: what is named
   is the path below its first component. */
static int name_point(char *name, const char *operation, const char *path) {
  if (strncmp(path, root, root_length) != 0 || path[root_length] != '/') return 0;
  const char *from = strchr(path + root_length + 1, '/');
  if (!from || strstr(from, "-shm")) return 0;
  size_t at = (size_t)snprintf(name, NAME_BYTES, "%s ", operation);
  for (from++; *from && at + 2 < NAME_BYTES;) {
    size_t hex = strspn(from, "0123456789abcdef"), digits = strspn(from, "0123456789");
    int is_process = digits && from[-1] == '.' && from[digits] == '.'; /* .NAME.PID.new */
    if (hex >= 16) {
      name[at++] = '*', from += hex;
    } else if (digits >= 4 || is_process) {
      name[at++] = '#', from += digits;
    } else {
      size_t plain = hex ? hex : 1;
      while (plain-- && at + 2 < NAME_BYTES) name[at++] = *from++;
    }
  }
  name[at] = 0;
  return 1;
}

static int path_of(int descriptor, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return 1;
}

static int absolute(int folder, const char *given, char *path) {
  if (given[0] == '/') return snprintf(path, PATH_MAX, "%s", given) < PATH_MAX;
  char base[PATH_MAX];
  if (folder == AT_FDCWD ? !getcwd(base, sizeof base) : !path_of(folder, base)) return 0;
  return snprintf(path, PATH_MAX, "%.2000s/%.2000s", base, given) < PATH_MAX;
}

static void end(void) {
  atomic_fetch_add(&page->fired, 1);
  atomic_fetch_add(&page->ends, 1);
  kill(getpid(), page->value);
  if (page->value == SIGKILL) pause();
}

/* What is to be done at a point: an enum when, or 0. `needs_room`: a full disk would refuse it. */
static int meet(const char *operation, const char *path, int needs_room) {
  char name[NAME_BYTES];
  if (!page || !name_point(name, operation, path)) return 0;
  if (atomic_load(&page->tracing) && trace >= 0) {
    char line[NAME_BYTES + 64];
    int length = snprintf(line, sizeof line, "%d %ld %d %s\n", getpid(), syscall(SYS_gettid), needs_room, name);
    if (length > 0) syscall(SYS_write, trace, line, (size_t)length);
  }
  if (!atomic_load(&page->armed)) return 0;
  int any = !page->name[0];
  if (any ? !needs_room : strcmp(name, page->name) != 0) {
    return page->when == REFUSE && page->lasts && needs_room && atomic_load(&page->fired) ? REFUSE : 0;
  }
  int met = atomic_fetch_add(&page->met, 1) + 1;
  int is_it = met == page->occurrence || (page->lasts && met > page->occurrence);
  if (!is_it) return 0;
  if (page->when != REFUSE) {
    /* Claimed first, then asked again whether it still counts: whoever disarms in between waits for the signal. */
    atomic_store(&page->claimed, 1);
    if (!atomic_load(&page->armed)) {
      atomic_store(&page->claimed, 0);
      return 0;
    }
  }
  if (page->when == BEFORE) end();
  return page->when;
}

static int refused(int what) {
  if (what != REFUSE) return 0;
  atomic_fetch_add(&page->fired, 1);
  errno = page->value;
  return 1;
}

static ssize_t finish(int what, ssize_t result) {
  int kept = errno;
  if (what == AFTER) end();
  errno = kept;
  return result;
}

#define ON_FILE(call, operation, descriptor, needs_room) \
  char path[PATH_MAX]; \
  int what = page && path_of(descriptor, path) ? meet(operation, path, needs_room) : 0; \
  if (refused(what)) return -1; \
  return (__typeof__(call))finish(what, (ssize_t)(call))

#define ON_PATH(call, operation, folder, given, needs_room) \
  char path[PATH_MAX]; \
  int what = page && absolute(folder, given, path) ? meet(operation, path, needs_room) : 0; \
  if (refused(what)) return -1; \
  return (__typeof__(call))finish(what, (ssize_t)(call))

int fsync(int file) { REAL(fsync); ON_FILE(real(file), "fsync", file, 0); }
int fdatasync(int file) { REAL(fdatasync); ON_FILE(real(file), "fdatasync", file, 0); }
int ftruncate(int file, off_t size) { REAL(ftruncate); ON_FILE(real(file, size), "ftruncate", file, 0); }
int ftruncate64(int file, off64_t size) { REAL(ftruncate64); ON_FILE(real(file, size), "ftruncate", file, 0); }
int truncate(const char *p, off_t size) { REAL(truncate); ON_PATH(real(p, size), "truncate", AT_FDCWD, p, 0); }
int truncate64(const char *p, off64_t size) { REAL(truncate64); ON_PATH(real(p, size), "truncate", AT_FDCWD, p, 0); }
int unlink(const char *p) { REAL(unlink); ON_PATH(real(p), "unlink", AT_FDCWD, p, 0); }
int unlinkat(int d, const char *p, int flags) { REAL(unlinkat); ON_PATH(real(d, p, flags), "unlink", d, p, 0); }
int mkdir(const char *p, mode_t mode) { REAL(mkdir); ON_PATH(real(p, mode), "mkdir", AT_FDCWD, p, 1); }
int mkdirat(int d, const char *p, mode_t mode) { REAL(mkdirat); ON_PATH(real(d, p, mode), "mkdir", d, p, 1); }
int rename(const char *p, const char *to) { REAL(rename); ON_PATH(real(p, to), "rename", AT_FDCWD, to, 0); }
int renameat2(int d, const char *p, int e, const char *to, unsigned int flags) {
  REAL(renameat2);
  ON_PATH(real(d, p, e, to, flags), "rename", e, to, 0);
}
int renameat(int d, const char *p, int e, const char *to) { REAL(renameat); ON_PATH(real(d, p, e, to), "rename", e, to, 0); }

/* Opening is a point where it makes a file. */
#define OPEN(function, folder, call) \
  mode_t mode = 0; \
  int makes = (flags & O_CREAT) != 0; \
  if (makes || (flags & O_TMPFILE) == O_TMPFILE) { \
    va_list rest; \
    va_start(rest, flags); \
    mode = va_arg(rest, mode_t); \
    va_end(rest); \
  } \
  REAL(function); \
  struct stat known; \
  if (!page || !makes || fstatat(folder, given, &known, 0) == 0) return call; \
  ON_PATH(call, "create", folder, given, 1)

int open(const char *given, int flags, ...) { OPEN(open, AT_FDCWD, real(given, flags, mode)); }
int open64(const char *given, int flags, ...) { OPEN(open64, AT_FDCWD, real(given, flags, mode)); }
int openat(int folder, const char *given, int flags, ...) { OPEN(openat, folder, real(folder, given, flags, mode)); }
int openat64(int folder, const char *given, int flags, ...) { OPEN(openat64, folder, real(folder, given, flags, mode)); }

/* A write that is torn: half of it, then the signal. */
#define ON_WRITE(call, half, descriptor) \
  char path[PATH_MAX]; \
  int what = page && path_of(descriptor, path) ? meet("write", path, 1) : 0; \
  if (refused(what)) return -1; \
  if (what == TORN) { (void)!(half); end(); } \
  return finish(what, call)

ssize_t write(int file, const void *from, size_t size) {
  REAL(write);
  ON_WRITE(real(file, from, size), real(file, from, size / 2), file);
}
ssize_t pwrite(int file, const void *from, size_t size, off_t at) {
  REAL(pwrite);
  ON_WRITE(real(file, from, size, at), real(file, from, size / 2, at), file);
}
ssize_t pwrite64(int file, const void *from, size_t size, off64_t at) {
  REAL(pwrite64);
  ON_WRITE(real(file, from, size, at), real(file, from, size / 2, at), file);
}

static ssize_t half_of(int file, const struct iovec *parts, int count, off64_t at) {
  size_t total = 0;
  for (int i = 0; i < count; i++) total += parts[i].iov_len;
  size_t left = total / 2;
  for (int i = 0; i < count && left; i++) {
    size_t size = parts[i].iov_len < left ? parts[i].iov_len : left;
    ssize_t done = at < 0 ? syscall(SYS_write, file, parts[i].iov_base, size)
                          : syscall(SYS_pwrite64, file, parts[i].iov_base, size, at);
    if (done < 0) return done;
    if (at >= 0) at += done;
    left -= size;
  }
  return (ssize_t)(total / 2);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
  REAL(writev);
  ON_WRITE(real(file, parts, count), half_of(file, parts, count, -1), file);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) {
  REAL(pwritev);
  ON_WRITE(real(file, parts, count, at), half_of(file, parts, count, at), file);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
  REAL(pwritev64);
  ON_WRITE(real(file, parts, count, at), half_of(file, parts, count, at), file);
}
ssize_t pwritev2(int file, const struct iovec *parts, int count, off_t at, int flags) {
  REAL(pwritev2);
  ON_WRITE(real(file, parts, count, at, flags), half_of(file, parts, count, at), file);
}
ssize_t pwritev64v2(int file, const struct iovec *parts, int count, off64_t at, int flags) {
  REAL(pwritev64v2);
  ON_WRITE(real(file, parts, count, at, flags), half_of(file, parts, count, at), file);
}

/* The clock. */
int clock_gettime(clockid_t clock, struct timespec *time) {
  REAL(clock_gettime);
  int result = real(clock, time);
  if (page && result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    time->tv_sec += atomic_load(&page->clock_offset);
  return result;
}
int gettimeofday(struct timeval *restrict time_, void *restrict zone) {
  REAL(gettimeofday);
  int result = real(time_, zone);
  if (page && result == 0) time_->tv_sec += atomic_load(&page->clock_offset);
  return result;
}
time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
