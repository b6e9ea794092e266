/* Writes down, in order, what a process does to the files of one folder.
 *
 * LD_PRELOAD it with DISK_LOG (the record) and DISK_FOLDER (whose files are meant). Each entry is
 * a line "<op> <offset> <length> <name>\n" followed by <length> bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int record_fd = -1;

static void note(char op, const char *path, long long offset, const void *data, size_t length) {
    const char *folder = getenv("DISK_FOLDER"), *record = getenv("DISK_LOG");
    char head[4300];
    if (!folder || !record || strncmp(path, folder, strlen(folder))) return;
    if (record_fd < 0) record_fd = open(record, O_WRONLY | O_APPEND | O_CREAT, 0600);
    int size = snprintf(head, sizeof head, "%c %lld %zu %s\n", op, offset, length,
                        path + strlen(folder) + 1);
    struct iovec parts[2] = {{head, (size_t)size}, {(void *)data, length}};
    if (writev(record_fd, parts, length ? 2 : 1) < 0) abort();
}

static void note_fd(char op, int fd, long long offset, const void *data, size_t length) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return;
    path[size] = 0;
    note(op, path, offset, data, length);
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

#define WRITES(name, offset_type)                                                          \
    ssize_t name(int fd, const void *data, size_t length, offset_type offset) {            \
        pthread_mutex_lock(&lock);                                                         \
        ssize_t done = REAL(ssize_t, #name, int, const void *, size_t, offset_type)(       \
            fd, data, length, offset);                                                     \
        if (done > 0) note_fd('w', fd, (long long)offset, data, (size_t)done);             \
        pthread_mutex_unlock(&lock);                                                       \
        return done;                                                                       \
    }
WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)

#define CUTS(name, offset_type)                                                            \
    int name(int fd, offset_type length) {                                                 \
        pthread_mutex_lock(&lock);                                                         \
        int done = REAL(int, #name, int, offset_type)(fd, length);                         \
        if (!done) note_fd('t', fd, (long long)length, NULL, 0);                           \
        pthread_mutex_unlock(&lock);                                                       \
        return done;                                                                       \
    }
CUTS(ftruncate, off_t)
CUTS(ftruncate64, off64_t)

#define SYNCS(name)                                                                        \
    int name(int fd) {                                                                     \
        int done = REAL(int, #name, int)(fd);                                              \
        pthread_mutex_lock(&lock);                                                         \
        if (!done) note_fd('s', fd, 0, NULL, 0);                                           \
        pthread_mutex_unlock(&lock);                                                       \
        return done;                                                                       \
    }
SYNCS(fsync)
SYNCS(fdatasync)

int unlink(const char *path) {
    int done = REAL(int, "unlink", const char *)(path);
    pthread_mutex_lock(&lock);
    if (!done) note('u', path, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}
