/* A disk without room, one that fails, or one that was remounted to be read only.
 *
 * While the file DISK_FULL exists, no file of DISK_FOLDER grows: what lies within a file's present
 * size is written, as on a real disk. While DISK_BROKEN exists, nothing is written or synced of the
 * files whose names begin with DISK_BROKEN_FILES; while DISK_SEALED exists, of all of DISK_FOLDER.
 * LD_PRELOAD it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_under(int fd, const char *flag, const char *prefix) {
    const char *present = getenv(flag), *start = getenv(prefix);
    char link[64], path[4096];
    if (!present || !start || access(present, F_OK)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return !strncmp(path, start, strlen(start));
}

static int has_no_room(int fd, long long end) {
    struct stat now;
    if (!is_under(fd, "DISK_FULL", "DISK_FOLDER") || fstat(fd, &now) || end <= now.st_size)
        return 0;
    errno = ENOSPC;
    return 1;
}

static int fails(int fd) {
    if (is_under(fd, "DISK_SEALED", "DISK_FOLDER"))
        errno = EROFS;
    else if (is_under(fd, "DISK_BROKEN", "DISK_BROKEN_FILES"))
        errno = EIO;
    else
        return 0;
    return 1;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define WRITES(name, offset_type)                                                          \
    ssize_t name(int fd, const void *data, size_t length, offset_type offset) {            \
        if (fails(fd) || has_no_room(fd, (long long)offset + (long long)length)) return -1; \
        return REAL(ssize_t, #name, int, const void *, size_t, offset_type)(               \
            fd, data, length, offset);                                                     \
    }
WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)

#define GROWS(name, offset_type)                                                           \
    int name(int fd, offset_type length) {                                                 \
        if (fails(fd) || has_no_room(fd, (long long)length)) return -1;                    \
        return REAL(int, #name, int, offset_type)(fd, length);                             \
    }
GROWS(ftruncate, off_t)
GROWS(ftruncate64, off64_t)

#define SYNCS(name)                                                                        \
    int name(int fd) {                                                                     \
        if (fails(fd)) return -1;                                                          \
        return REAL(int, #name, int)(fd);                                                  \
    }
SYNCS(fsync)
SYNCS(fdatasync)
