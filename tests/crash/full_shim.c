/* A disk without room: while the file DISK_FULL exists, no file of DISK_FOLDER grows.
 *
 * LD_PRELOAD it. What lies within a file's present size is written, as on a real disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int has_no_room(int fd, long long end) {
    const char *folder = getenv("DISK_FOLDER"), *full = getenv("DISK_FULL");
    char link[64], path[4096];
    struct stat now;
    if (!folder || !full || access(full, F_OK)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    if (strncmp(path, folder, strlen(folder)) || fstat(fd, &now) || end <= now.st_size) return 0;
    errno = ENOSPC;
    return 1;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define WRITES(name, offset_type)                                                          \
    ssize_t name(int fd, const void *data, size_t length, offset_type offset) {            \
        if (has_no_room(fd, (long long)offset + (long long)length)) return -1;             \
        return REAL(ssize_t, #name, int, const void *, size_t, offset_type)(               \
            fd, data, length, offset);                                                     \
    }
WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)

#define GROWS(name, offset_type)                                                           \
    int name(int fd, offset_type length) {                                                 \
        if (has_no_room(fd, (long long)length)) return -1;                                 \
        return REAL(int, #name, int, offset_type)(fd, length);                             \
    }
GROWS(ftruncate, off_t)
GROWS(ftruncate64, off64_t)
