/* A disk at fault, for one process: preloaded, it stands before the calls that write below a directory.
 *
 * FAULTY_DISK_ROOT names the directory, FAULTY_DISK_CONTROL a file of one `struct control` that the test maps
 * too, so that the disk changes while the process runs. Without them every call passes.
 *
 * System calls are made directly: nothing has to be looked up before the first write of a process. Linux on
 * 64 bits, where off_t and off64_t are the same.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "64 bits are needed");

enum mode { HEALTHY, SLOW, HANGING, REFUSING };
enum call { SYNC = 1, WRITE = 2, TRUNCATE = 4, OPEN = 8, NAME = 16 };

struct control {
    int32_t mode;
    int32_t calls; /* which calls a REFUSING disk refuses */
    int32_t error; /* and with what errno */
    int32_t delay_ms; /* of each SYNC on a SLOW disk */
    int64_t held; /* calls that hang now */
    int64_t refused;
    int64_t syncs;
};

static struct control *control;
static char root[PATH_MAX];
static size_t root_length;

__attribute__((constructor)) static void begin(void)
{
    const char *directory = getenv("FAULTY_DISK_ROOT"), *file = getenv("FAULTY_DISK_CONTROL");
    if (!directory || !file || strlen(directory) >= sizeof root)
        return;
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (mapped == MAP_FAILED)
        return;
    strcpy(root, directory);
    root_length = strlen(root);
    control = mapped;
}

static int read_mode(void) { return __atomic_load_n(&control->mode, __ATOMIC_SEQ_CST); }

static void pause_ms(long ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) && errno == EINTR) {
    }
}

static int is_below(const char *path)
{
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int is_open_below(int fd)
{
    char link[32] = "/proc/self/fd/", digits[12], path[PATH_MAX], *end = link + strlen(link);
    int count = 0;
    if (fd < 0)
        return 0;
    do {
        digits[count++] = '0' + fd % 10;
    } while (fd /= 10);
    while (count)
        *end++ = digits[--count];
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

/* 0 if the call may go on, else errno is set and the call fails. */
static int fails(enum call call)
{
    int before = errno;
    if (call == SYNC)
        __atomic_add_fetch(&control->syncs, 1, __ATOMIC_SEQ_CST);
    if (read_mode() == SLOW && call == SYNC)
        pause_ms(control->delay_ms);
    if (read_mode() == HANGING) {
        __atomic_add_fetch(&control->held, 1, __ATOMIC_SEQ_CST);
        while (read_mode() == HANGING)
            pause_ms(2);
        __atomic_sub_fetch(&control->held, 1, __ATOMIC_SEQ_CST);
    }
    if (read_mode() == REFUSING && control->calls & call) {
        __atomic_add_fetch(&control->refused, 1, __ATOMIC_SEQ_CST);
        errno = control->error;
        return 1;
    }
    errno = before;
    return 0;
}

static int fd_fails(int fd, enum call call)
{
    int before = errno, below = control && is_open_below(fd);
    errno = before;
    return below && fails(call);
}

static int path_fails(const char *path, enum call call) { return control && is_below(path) && fails(call); }

int fsync(int fd) { return fd_fails(fd, SYNC) ? -1 : (int)syscall(SYS_fsync, fd); }

int fdatasync(int fd) { return fd_fails(fd, SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd); }

ssize_t write(int fd, const void *data, size_t size)
{
    return fd_fails(fd, WRITE) ? -1 : syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return fd_fails(fd, WRITE) ? -1 : syscall(SYS_pwrite64, fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { return pwrite(fd, data, size, at); }

int ftruncate(int fd, off_t size) { return fd_fails(fd, TRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, size); }

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int open_any(int directory, const char *path, int flags, mode_t mode)
{
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    if (writes && path_fails(path, OPEN))
        return -1;
    return syscall(SYS_openat, directory, path, flags, mode);
}

#define MODE_OF(flags, mode)                                                                                 \
    mode_t mode = 0;                                                                                         \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                                 \
        va_list rest;                                                                                        \
        va_start(rest, flags);                                                                               \
        mode = va_arg(rest, mode_t);                                                                         \
        va_end(rest);                                                                                        \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open_any(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open_any(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open_any(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return open_any(directory, path, flags, mode);
}

int unlink(const char *path) { return path_fails(path, NAME) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0); }

int rename(const char *from, const char *to)
{
    return path_fails(to, NAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
