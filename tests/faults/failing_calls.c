/* A library for LD_PRELOAD: the n-th call of one kind below a folder fails, as a disk does.

   SQLite's own reads and writes pass here, too. fault_arm() begins to count; until then every call goes through. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { OPEN, READ, WRITE, FSYNC, RENAME, UNLINK, NONE };

static atomic_int armed = NONE;
static atomic_long calls, fired;
static long failing_call;
static int error_number, fails_from_then_on;
static char folder[4096];
static char first_failed[8192];

void fault_arm(int kind, long number, int error, int sticky, const char *below) {
    snprintf(folder, sizeof folder, "%s", below);
    failing_call = number;
    error_number = error;
    fails_from_then_on = sticky;
    atomic_store(&calls, 0);
    atomic_store(&fired, 0);
    first_failed[0] = 0;
    atomic_store(&armed, kind);
}

void fault_disarm(void) { atomic_store(&armed, NONE); }
long fault_calls(void) { return atomic_load(&calls); }
long fault_fired(void) { return atomic_load(&fired); }
const char *fault_first_failed(void) { return first_failed; }

static int is_below(const char *path) {
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* Return 1 if this call has to fail. A relative path lies below the folder that its descriptor names. */
static int fails(int kind, int descriptor, const char *path) {
    if (atomic_load(&armed) != kind) return 0;
    char base[4096] = "", link[64];
    if (path == NULL || path[0] != '/') {
        int before = errno;
        if (descriptor == AT_FDCWD) return 0;
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, base, sizeof base - 1);
        errno = before;
        if (length < 0) return 0;
        base[length] = 0;
        if (!is_below(base)) return 0;
    } else if (!is_below(path)) {
        return 0;
    }
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (number != failing_call && !(fails_from_then_on && failing_call && number > failing_call)) return 0;
    if (atomic_fetch_add(&fired, 1) == 0)
        snprintf(first_failed, sizeof first_failed, "%s %s", base, path == NULL ? "" : path);
    errno = error_number;
    return 1;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }

int open(const char *path, int flags, ...) { REAL(open); MODE; return fails(OPEN, AT_FDCWD, path) ? -1 : real(path, flags, mode); }
int open64(const char *path, int flags, ...) { REAL(open64); MODE; return fails(OPEN, AT_FDCWD, path) ? -1 : real(path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { REAL(openat); MODE; return fails(OPEN, at, path) ? -1 : real(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { REAL(openat64); MODE; return fails(OPEN, at, path) ? -1 : real(at, path, flags, mode); }
DIR *opendir(const char *path) { REAL(opendir); return fails(OPEN, AT_FDCWD, path) ? NULL : real(path); }
ssize_t read(int fd, void *to, size_t size) { REAL(read); return fails(READ, fd, NULL) ? -1 : real(fd, to, size); }
ssize_t pread(int fd, void *to, size_t size, off_t at) { REAL(pread); return fails(READ, fd, NULL) ? -1 : real(fd, to, size, at); }
ssize_t pread64(int fd, void *to, size_t size, off64_t at) { REAL(pread64); return fails(READ, fd, NULL) ? -1 : real(fd, to, size, at); }
ssize_t write(int fd, const void *from, size_t size) { REAL(write); return fails(WRITE, fd, NULL) ? -1 : real(fd, from, size); }
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) { REAL(pwrite); return fails(WRITE, fd, NULL) ? -1 : real(fd, from, size, at); }
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) { REAL(pwrite64); return fails(WRITE, fd, NULL) ? -1 : real(fd, from, size, at); }
int ftruncate(int fd, off_t size) { REAL(ftruncate); return fails(WRITE, fd, NULL) ? -1 : real(fd, size); }
int ftruncate64(int fd, off64_t size) { REAL(ftruncate64); return fails(WRITE, fd, NULL) ? -1 : real(fd, size); }
int posix_fallocate(int fd, off_t at, off_t size) { REAL(posix_fallocate); return fails(WRITE, fd, NULL) ? error_number : real(fd, at, size); }
int posix_fallocate64(int fd, off64_t at, off64_t size) { REAL(posix_fallocate64); return fails(WRITE, fd, NULL) ? error_number : real(fd, at, size); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return fails(WRITE, AT_FDCWD, path) ? -1 : real(path, mode); }
int fsync(int fd) { REAL(fsync); return fails(FSYNC, fd, NULL) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return fails(FSYNC, fd, NULL) ? -1 : real(fd); }
int rename(const char *from, const char *to) { REAL(rename); return fails(RENAME, AT_FDCWD, from) ? -1 : real(from, to); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); return fails(RENAME, a, from) ? -1 : real(a, from, b, to); }
int unlink(const char *path) { REAL(unlink); return fails(UNLINK, AT_FDCWD, path) ? -1 : real(path); }
int unlinkat(int at, const char *path, int flags) { REAL(unlinkat); return fails(UNLINK, at, path) ? -1 : real(at, path, flags); }
