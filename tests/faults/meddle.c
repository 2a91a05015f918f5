/* Preloaded into a process, this library kills it at its n-th system call that changes a file system, or lets that call
   and all later ones fail as on a full disk. Standard streams are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static long count, at;
static int full;

/* at = 0: only count. full: 0 kills, an error number fails. */
void meddle(long number, int error) { count = 0; full = error; at = number; }
long meddled(void) { return count; }

static int hit(int needs_room) {
  long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
  if (!at || now < at) return 0;
  if (!full) kill(getpid(), SIGKILL);
  return full && needs_room ? (errno = full, 1) : 0;
}

#define REAL(type, name) static type (*real)() = 0; if (!real) real = (type (*)())dlsym(RTLD_NEXT, #name)
#define ON_FILE(type, name, parameters, arguments, room) \
  type name parameters { REAL(type, name); if (fd > 2 && hit(room)) return -1; return real arguments; }
#define ON_PATH(name, parameters, arguments, room) \
  int name parameters { REAL(int, name); if (hit(room)) return -1; return real arguments; }

ON_FILE(ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n), 1)
ON_FILE(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n), 1)
ON_FILE(ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o), 1)
ON_FILE(ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o), 1)
ON_FILE(int, ftruncate, (int fd, off_t n), (fd, n), 0)
ON_FILE(int, ftruncate64, (int fd, off64_t n), (fd, n), 0)
ON_FILE(int, fsync, (int fd), (fd), 1)
ON_FILE(int, fdatasync, (int fd), (fd), 1)
ON_PATH(rename, (const char *a, const char *b), (a, b), 1)
ON_PATH(renameat, (int d, const char *a, int e, const char *b), (d, a, e, b), 1)
ON_PATH(renameat2, (int d, const char *a, int e, const char *b, unsigned f), (d, a, e, b, f), 1)
ON_PATH(unlink, (const char *a), (a), 0)
ON_PATH(unlinkat, (int d, const char *a, int f), (d, a, f), 0)
ON_PATH(mkdir, (const char *a, mode_t m), (a, m), 1)
ON_PATH(mkdirat, (int d, const char *a, mode_t m), (d, a, m), 1)
ON_PATH(rmdir, (const char *a), (a), 0)

#define OPENS(name, parameters, ...) \
  int name parameters { \
    REAL(int, name); mode_t mode = 0; va_list more; va_start(more, flags); \
    if (flags & O_CREAT) { mode = va_arg(more, mode_t); } \
    va_end(more); \
    if ((flags & O_CREAT) && hit(1)) return -1; \
    return real(__VA_ARGS__, mode); }

OPENS(open, (const char *path, int flags, ...), path, flags)
OPENS(open64, (const char *path, int flags, ...), path, flags)
OPENS(openat, (int d, const char *path, int flags, ...), d, path, flags)
OPENS(openat64, (int d, const char *path, int flags, ...), d, path, flags)
