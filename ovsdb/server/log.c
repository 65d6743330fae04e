// SPDX-License-Identifier: Apache-2.0
//
// The record file. See log.h.
//
// 'offset' is the end of the last whole record and all that an append relies on: pwrite() there,
// and ftruncate() to it after a failure, so a half-written record never stays in front of a whole
// one. A read buffer keeps what was read ahead; nothing is read any more after the first append.

#include "ovsdb/server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

// "OVSDB JSON 18446744073709551615 " and 40 digits and a newline fit with room to spare.
enum { HEADER_MAX = 128, SHA1_SIZE = 20, READ_CHUNK = 256 * 1024 };

static const char magic[] = "OVSDB JSON ";

struct ovsdb_log {
    char *path;
    int fd, lock_fd;
    uint64_t offset;   // end of the last whole record
    uint64_t file_end; // as far as we know; above 'offset' when there is a broken tail
    bool broken;       // a record that isn't whole was met at 'offset'
    struct err fault;  // why
    char *buffer;      // read ahead: 'have' bytes of the file from 'offset' on stand at 'start'
    size_t start, have, room;
};

static void sha1(const char *data, size_t size, uint8_t digest[SHA1_SIZE])
{
    unsigned n = SHA1_SIZE;

    if (!EVP_Digest(data, size, digest, &n, EVP_sha1(), NULL))
        memset(digest, 0, SHA1_SIZE);
}

// "DIR/.NAME.~lock~" of the file that the path leads to.
static char *lock_path(const char *path)
{
    AUTO_FREE char *real = realpath(path, NULL);
    const char *target = real ? real : path;
    const char *slash = strrchr(target, '/');
    int dir = slash ? (int)(slash + 1 - target) : 0;

    return xasprintf("%.*s.%s.~lock~", dir, target, target + dir);
}

static int take_lock(const char *path, int *ret_fd, struct err *err)
{
    AUTO_FREE char *name = lock_path(path);
    AUTO_CLOSE int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fd < 0)
        return err_set_errno(err, -errno, "%s: cannot open the lock file", name);
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        struct flock owner = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

        if (errno != EAGAIN && errno != EACCES)
            return err_set_errno(err, -errno, "%s: cannot lock", name);
        if (!fcntl(fd, F_GETLK, &owner) && owner.l_type != F_UNLCK)
            return err_set(err, -EAGAIN, "%s: process %ld serves this database already", path,
                           (long)owner.l_pid);
        return err_set(err, -EAGAIN, "%s: another process serves this database already", path);
    }
    *ret_fd = STEAL_FD(fd);
    return 0;
}

int ovsdb_log_open(const char *path, enum ovsdb_log_mode mode, struct ovsdb_log **ret_log,
                   struct err *err)
{
    AUTO_CLOSE int lock_fd = -1;
    int flags = mode == OVSDB_LOG_READ    ? O_RDONLY
                : mode == OVSDB_LOG_WRITE ? O_RDWR
                                          : O_RDWR | O_CREAT | O_EXCL;

    if (mode != OVSDB_LOG_READ) {
        int r = take_lock(path, &lock_fd, err);
        if (r < 0)
            return r;
    }
    AUTO_CLOSE int fd = open(path, flags | O_CLOEXEC, 0640);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, -errno, "%s: cannot %s", path,
                             mode == OVSDB_LOG_CREATE ? "create" : "open");
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "%s: not a regular file", path);

    struct ovsdb_log *log = NEW(struct ovsdb_log);
    log->path = xstrdup(path);
    log->fd = STEAL_FD(fd);
    log->lock_fd = STEAL_FD(lock_fd);
    log->file_end = (uint64_t)st.st_size;
    *ret_log = log;
    return 0;
}

void ovsdb_log_close(struct ovsdb_log *log)
{
    if (!log)
        return;
    close(log->fd);
    if (log->lock_fd >= 0)
        close(log->lock_fd);
    err_done(&log->fault);
    free(log->buffer);
    free(log->path);
    free(log);
}

// Makes 'want' bytes from 'offset' on available at buffer + start, unless the file ends first.
static int fill(struct ovsdb_log *log, size_t want, struct err *err)
{
    if (log->have >= want)
        return 0;
    if (log->have)
        memmove(log->buffer, log->buffer + log->start, log->have);
    log->start = 0;
    GROW_ARRAY(log->buffer, log->room, want + READ_CHUNK);
    while (log->have < want) {
        ssize_t n = pread(log->fd, log->buffer + log->have, log->room - log->have,
                          (off_t)(log->offset + log->have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, -errno, "%s: cannot read", log->path);
        if (!n)
            break;
        log->have += (size_t)n;
        log->file_end = MAX_OF(log->file_end, log->offset + log->have);
    }
    return 0;
}

static int broken(struct ovsdb_log *log, struct err *err, const char *what)
{
    log->broken = true;
    err_set(&log->fault, -EBADMSG, "%s: record at byte %" PRIu64 " %s", log->path, log->offset,
            what);
    return err_set(err, -EBADMSG, "%s", err_text(&log->fault));
}

// Takes a header line apart. False: it is none.
static bool parse_header(const char *line, uint64_t *ret_size, uint8_t digest[SHA1_SIZE])
{
    char number[24], hex[SHA1_SIZE * 2 + 1];
    int end = 0;

    if (strncmp(line, magic, sizeof magic - 1) ||
        sscanf(line + sizeof magic - 1, "%23[0-9] %40[0-9a-fA-F]%n", number, hex, &end) != 2 ||
        line[sizeof magic - 1 + (size_t)end])
        return false;
    return str_to_u64(number, 10, INT64_MAX, ret_size) && *ret_size &&
           strlen(hex) == SHA1_SIZE * 2 && str_from_hex(hex, digest, SHA1_SIZE);
}

int ovsdb_log_read(struct ovsdb_log *log, const char **ret_text, size_t *ret_size, struct err *err)
{
    uint8_t expected[SHA1_SIZE], digest[SHA1_SIZE];
    char line[HEADER_MAX];
    uint64_t size;

    if (log->broken)
        return err_set(err, -EBADMSG, "%s", err_text(&log->fault));
    int r = fill(log, HEADER_MAX, err);
    if (r < 0)
        return r;
    if (!log->have)
        return 0;
    const char *record = log->buffer + log->start;
    const char *newline = memchr(record, '\n', MIN_OF(log->have, (size_t)HEADER_MAX));
    if (!newline)
        return broken(log, err,
                      log->have < HEADER_MAX ? "is cut off in its first line" : "has no header");
    size_t header = (size_t)(newline - record);
    memcpy(line, record, header);
    line[header++] = '\0';
    if (!strncmp(line, "OVSDB CLUSTER ", 14))
        return broken(log, err, "is of a clustered database, which is not supported");
    if (!parse_header(line, &size, expected))
        return broken(log, err, "has no valid header");
    if (size > log->file_end - log->offset || header + size > log->file_end - log->offset)
        return broken(log, err, "is cut off");

    r = fill(log, header + size, err);
    if (r < 0)
        return r;
    if (log->have < header + size)
        return broken(log, err, "is cut off");
    record = log->buffer + log->start;
    sha1(record + header, size, digest);
    if (memcmp(digest, expected, SHA1_SIZE))
        return broken(log, err, "has a wrong checksum");

    log->start += header + size;
    log->have -= header + size;
    log->offset += header + size;
    *ret_text = record + header;
    *ret_size = size;
    return 1;
}

uint64_t ovsdb_log_offset(const struct ovsdb_log *log)
{
    return log->offset;
}

const char *ovsdb_log_path(const struct ovsdb_log *log)
{
    return log->path;
}

bool ovsdb_log_more_behind(const struct ovsdb_log *log)
{
    static const char start[] = "\nOVSDB JSON ";
    char chunk[64 * 1024];
    uint64_t at = log->offset;
    size_t kept = 0;

    if (!log->broken)
        return false;
    for (;;) {
        ssize_t n = pread(log->fd, chunk + kept, sizeof chunk - kept, (off_t)at);
        if (n <= 0)
            return false;
        at += (uint64_t)n;
        kept += (size_t)n;
        if (memmem(chunk, kept, start, sizeof start - 1))
            return true;
        size_t keep = MIN_OF(kept, sizeof start - 2);
        memmove(chunk, chunk + kept - keep, keep);
        kept = keep;
    }
}

static int write_at(int fd, const char *data, size_t size, uint64_t offset)
{
    while (size) {
        ssize_t n = pwrite(fd, data, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

// The whole record as it stands in the file.
static struct str record_of(const char *text, size_t size)
{
    struct str record = STR_INIT;
    uint8_t digest[SHA1_SIZE];

    sha1(text, size, digest);
    str_printf(&record, "%s%zu ", magic, size);
    str_put_hex(&record, digest, sizeof digest);
    str_putc(&record, '\n');
    str_putn(&record, text, size);
    return record;
}

int ovsdb_log_append(struct ovsdb_log *log, const char *text, size_t size, struct err *err)
{
    if (log->file_end > log->offset) {
        if (ftruncate(log->fd, (off_t)log->offset) < 0)
            return err_set_errno(err, -errno, "%s: cannot cut off the broken tail", log->path);
        log->file_end = log->offset;
        log->broken = false;
    }

    AUTO(str_done) struct str record = record_of(text, size);
    int r = write_at(log->fd, record.text, record.size, log->offset);
    if (r < 0) {
        err_set_errno(err, r, "%s: cannot write", log->path);
        if (ftruncate(log->fd, (off_t)log->offset) < 0)
            log->file_end = UINT64_MAX; // the next append tries again
        return r;
    }
    log->offset += record.size;
    log->file_end = log->offset;
    log->have = 0;
    return 0;
}

int ovsdb_log_sync(struct ovsdb_log *log, struct err *err)
{
    if (fdatasync(log->fd) < 0)
        return err_set_errno(err, -errno, "%s: cannot sync", log->path);
    return 0;
}

// A rename is durable once its directory is.
static int sync_dir(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *dir = slash ? xstrndup(path, (size_t)(slash - path + 1)) : xstrdup(".");
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return err_set_errno(err, -errno, "%s: cannot sync the directory", dir);
    return 0;
}

static int write_new_file(const char *name, mode_t mode, const char *const *texts,
                          const size_t *sizes, unsigned n, int *ret_fd, uint64_t *ret_size,
                          struct err *err)
{
    if (unlink(name) < 0 && errno != ENOENT)
        return err_set_errno(err, -errno, "%s: cannot remove", name);
    AUTO_CLOSE int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fchmod(fd, mode) < 0)
        return err_set_errno(err, -errno, "%s: cannot create", name);

    uint64_t offset = 0;
    for (unsigned i = 0; i < n; i++) {
        AUTO(str_done) struct str record = record_of(texts[i], sizes[i]);
        int r = write_at(fd, record.text, record.size, offset);
        if (r < 0)
            return err_set_errno(err, r, "%s: cannot write", name);
        offset += record.size;
    }
    if (fsync(fd) < 0)
        return err_set_errno(err, -errno, "%s: cannot sync", name);
    *ret_fd = STEAL_FD(fd);
    *ret_size = offset;
    return 0;
}

int ovsdb_log_replace(struct ovsdb_log *log, const char *const *texts, const size_t *sizes,
                      unsigned n, struct err *err)
{
    AUTO_FREE char *real = realpath(log->path, NULL);
    const char *target = real ? real : log->path;
    AUTO_FREE char *name = xasprintf("%s.tmp", target);
    AUTO_CLOSE int fd = -1;
    struct stat st;
    uint64_t size = 0;

    if (fstat(log->fd, &st) < 0)
        return err_set_errno(err, -errno, "%s: cannot stat", log->path);
    int r = write_new_file(name, st.st_mode & 07777, texts, sizes, n, &fd, &size, err);
    if (!r && fchown(fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)
        r = err_set_errno(err, -errno, "%s: cannot give it its owner", name);
    if (!r && rename(name, target) < 0)
        r = err_set_errno(err, -errno, "%s: cannot rename", name);
    if (r < 0) {
        unlink(name);
        return r;
    }

    close(log->fd);
    log->fd = STEAL_FD(fd);
    log->offset = log->file_end = size;
    log->have = 0;
    log->broken = false;
    return sync_dir(target, err);
}
