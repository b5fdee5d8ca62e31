/* Holdfast: the seam over the kernel. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* fallocate, sync_file_range */
#endif
#include "os/os_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FILE_MODE 0600
#define DIR_MODE 0700

struct os_file {
    int fd;
    char path[]; /* for messages */
};

static enum rc rc_of_errno(int err)
{
    switch (err) {
    case ENOENT:
        return RC_NOT_FOUND;
    case EEXIST:
        return RC_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return RC_FULL;
    case EACCES:
    case EPERM:
        return RC_DENIED;
    case EROFS:
        return RC_UNAVAILABLE;
    case ENOMEM:
        return RC_NOMEM;
    case EMFILE:
    case ENFILE:
        return RC_LIMIT; /* ours or the system's, never the disk's */
    default:
        return RC_IO;
    }
}

/* What the operator can do, where that is plain. */
static const char *advice(int err)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT:
        return "; free space on that disk or move data off it";
    case EACCES:
    case EPERM:
        return "; check the owner and mode, or run as the user that owns the folder";
    case EROFS:
        return "; the disk is mounted read-only, often after an error: see dmesg";
    case EMFILE:
    case ENFILE:
        return "; too many open files: raise the limit (ulimit -n)";
    case EIO:
        return "; the disk may be failing: see dmesg";
    default:
        return "";
    }
}

static enum rc fail(struct err *e, int err, const char *doing, const char *path)
{
    return err_set(e, rc_of_errno(err), "cannot %s %s: %s%s", doing, path, strerror(err), advice(err));
}

static int open_retry(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static bool open_flags(unsigned flags, int *ret)
{
    int f;
    if ((flags & OS_READ) && (flags & OS_WRITE))
        f = O_RDWR;
    else if (flags & OS_WRITE)
        f = O_WRONLY;
    else if (flags & OS_READ)
        f = O_RDONLY;
    else
        return false;
    if (flags & OS_CREATE)
        f |= O_CREAT | (flags & OS_EXCLUSIVE ? O_EXCL : 0);
    if (flags & OS_TRUNCATE)
        f |= O_TRUNC;
    *ret = f;
    return true;
}

static enum rc real_open(struct os *os, const char *path, unsigned flags, struct os_file **ret, struct err *e)
{
    (void)os;
    int how;
    if (!open_flags(flags, &how))
        return err_set(e, RC_INVALID, "cannot open %s: neither reading nor writing was asked for", path);
    size_t n = strlen(path) + 1;
    struct os_file *f = malloc(sizeof *f + n);
    if (f == NULL)
        return err_set(e, RC_NOMEM, "cannot open %s: out of memory", path);
    memcpy(f->path, path, n);
    f->fd = open_retry(path, how);
    if (f->fd < 0) {
        int err = errno;
        free(f);
        return fail(e, err, flags & OS_CREATE ? "make" : "open", path);
    }
    *ret = f;
    return RC_OK;
}

static void real_close(struct os *os, struct os_file *f)
{
    (void)os;
    if (f == NULL)
        return;
    close(f->fd); /* what had to be durable was synced; Linux frees the fd whatever it answers */
    free(f);
}

/* How far a transfer has come: iov[0] is the first piece that is not finished, `done` of it is. Walking so needs no
 * copy of the vector on this hot path. */
struct progress {
    const struct iovec *iov;
    int n;
    size_t done;
};

static void advance(struct progress *p, size_t bytes)
{
    while (p->n > 0 && bytes >= p->iov->iov_len - p->done) {
        bytes -= p->iov->iov_len - p->done;
        p->iov++;
        p->n--;
        p->done = 0;
    }
    p->done += bytes;
}

static ssize_t write_some(int fd, const struct progress *p, uint64_t off)
{
    if (p->done > 0)
        return pwrite(fd, (const char *)p->iov->iov_base + p->done, p->iov->iov_len - p->done, (off_t)off);
    return pwritev(fd, p->iov, p->n < IOV_MAX ? p->n : IOV_MAX, (off_t)off);
}

static ssize_t read_some(int fd, const struct progress *p, uint64_t off)
{
    if (p->done > 0)
        return pread(fd, (char *)p->iov->iov_base + p->done, p->iov->iov_len - p->done, (off_t)off);
    return preadv(fd, p->iov, p->n < IOV_MAX ? p->n : IOV_MAX, (off_t)off);
}

static enum rc real_preadv(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off,
                           size_t *ret_n, struct err *e)
{
    (void)os;
    struct progress p = {iov, n, 0};
    size_t total = 0;
    for (advance(&p, 0); p.n > 0;) {
        ssize_t got = read_some(f->fd, &p, off + total);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail(e, errno, "read", f->path);
        if (got == 0)
            break;
        total += (size_t)got;
        advance(&p, (size_t)got);
    }
    *ret_n = total;
    return RC_OK;
}

static enum rc real_pwritev(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off,
                            struct err *e)
{
    (void)os;
    struct progress p = {iov, n, 0};
    for (advance(&p, 0); p.n > 0;) {
        ssize_t put = write_some(f->fd, &p, off);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return fail(e, put < 0 ? errno : EIO, "write to", f->path);
        off += (uint64_t)put;
        advance(&p, (size_t)put);
    }
    return RC_OK;
}

/* EINTR says nothing about the data. Every other failure is final: the kernel may have dropped the dirty pages, and a
 * second fdatasync would answer that all is well. */
static enum rc real_datasync(struct os *os, struct os_file *f, struct err *e)
{
    (void)os;
    int failed;
    do
        failed = fdatasync(f->fd);
    while (failed && errno == EINTR);
    return failed ? fail(e, errno, "sync", f->path) : RC_OK;
}

static enum rc real_flush_hint(struct os *os, struct os_file *f, uint64_t off, uint64_t n)
{
    (void)os;
    return sync_file_range(f->fd, (off_t)off, (off_t)n, SYNC_FILE_RANGE_WRITE) == 0 ? RC_OK : rc_of_errno(errno);
}

static enum rc allocate(struct os_file *f, int mode, uint64_t off, uint64_t n, const char *doing, struct err *e)
{
    int failed;
    do
        failed = fallocate(f->fd, mode, (off_t)off, (off_t)n);
    while (failed && errno == EINTR);
    if (failed && errno == EOPNOTSUPP)
        return err_set(e, RC_UNSUPPORTED, "cannot %s %s: its file system has no fallocate", doing, f->path);
    return failed ? fail(e, errno, doing, f->path) : RC_OK;
}

/* A file system without fallocate (some network and FUSE ones) loses only the early notice of a full disk. */
static enum rc real_reserve(struct os *os, struct os_file *f, uint64_t size, struct err *e)
{
    (void)os;
    if (size == 0)
        return RC_OK;
    return allocate(f, FALLOC_FL_KEEP_SIZE, 0, size, "reserve space for", e);
}

static enum rc real_punch(struct os *os, struct os_file *f, uint64_t off, uint64_t n, struct err *e)
{
    (void)os;
    if (n == 0)
        return RC_OK;
    return allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, n, "free part of", e);
}

static enum rc real_truncate(struct os *os, struct os_file *f, uint64_t size, struct err *e)
{
    (void)os;
    int failed;
    do
        failed = ftruncate(f->fd, (off_t)size);
    while (failed && errno == EINTR);
    return failed ? fail(e, errno, "change the size of", f->path) : RC_OK;
}

static void fill_stat(const struct stat *st, struct os_stat *ret)
{
    ret->size_bytes = (uint64_t)st->st_size;
    ret->allocated_bytes = (uint64_t)st->st_blocks * 512; /* st_blocks counts 512 bytes on every file system */
    ret->is_dir = S_ISDIR(st->st_mode);
}

static enum rc real_fstat(struct os *os, struct os_file *f, struct os_stat *ret, struct err *e)
{
    (void)os;
    struct stat st;
    if (fstat(f->fd, &st) != 0)
        return fail(e, errno, "look at", f->path);
    fill_stat(&st, ret);
    return RC_OK;
}

static enum rc real_stat(struct os *os, const char *path, struct os_stat *ret, struct err *e)
{
    (void)os;
    struct stat st;
    if (stat(path, &st) != 0)
        return fail(e, errno, "look at", path);
    fill_stat(&st, ret);
    return RC_OK;
}

static enum rc real_mkdir(struct os *os, const char *path, struct err *e)
{
    (void)os;
    return mkdir(path, DIR_MODE) == 0 ? RC_OK : fail(e, errno, "make the folder", path);
}

static enum rc real_rename(struct os *os, const char *from, const char *to, struct err *e)
{
    (void)os;
    if (rename(from, to) == 0)
        return RC_OK;
    int err = errno;
    return err_set(e, rc_of_errno(err), "cannot rename %s to %s: %s%s", from, to, strerror(err), advice(err));
}

static enum rc real_unlink(struct os *os, const char *path, struct err *e)
{
    (void)os;
    if (unlink(path) == 0 || (errno == EISDIR && rmdir(path) == 0))
        return RC_OK;
    return fail(e, errno, "remove", path);
}

static enum rc real_sync_dir(struct os *os, const char *path, struct err *e)
{
    (void)os;
    int fd = open_retry(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fail(e, errno, "open the folder", path);
    int failed;
    do
        failed = fsync(fd);
    while (failed && errno == EINTR);
    int err = errno;
    close(fd);
    return failed ? fail(e, err, "sync the folder", path) : RC_OK;
}

/* Not every file system tells the type with the name. */
static bool entry_is_dir(DIR *d, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    struct stat st;
    return fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static enum rc real_list(struct os *os, const char *path, os_list_fn *fn, void *ctx, struct err *e)
{
    (void)os;
    DIR *d = opendir(path);
    if (d == NULL)
        return fail(e, errno, "list", path);
    enum rc rc = RC_OK;
    while (rc == RC_OK) {
        errno = 0;
        const struct dirent *entry = readdir(d);
        if (entry == NULL) {
            if (errno != 0)
                rc = fail(e, errno, "list", path);
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = fn(ctx, entry->d_name, entry_is_dir(d, entry));
    }
    closedir(d);
    return rc;
}

static enum rc real_space(struct os *os, const char *path, struct os_space *ret, struct err *e)
{
    (void)os;
    struct statvfs v;
    int failed;
    do
        failed = statvfs(path, &v);
    while (failed && errno == EINTR);
    if (failed)
        return fail(e, errno, "ask for the free space of", path);
    ret->total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
    ret->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    ret->read_only = (v.f_flag & ST_RDONLY) != 0;
    return RC_OK;
}

static void real_random(struct os *os, void *p, size_t n)
{
    (void)os;
    for (size_t done = 0; done < n;) {
        ssize_t got = getrandom((char *)p + done, n - done, 0);
        if (got < 0 && errno != EINTR)
            HF_BUG("the kernel gives no random bytes; ids and salts cannot be made");
        if (got > 0)
            done += (size_t)got;
    }
}

struct os *os_real(void)
{
    static const struct os_ops ops = {
        .open = real_open,
        .close = real_close,
        .preadv = real_preadv,
        .pwritev = real_pwritev,
        .datasync = real_datasync,
        .flush_hint = real_flush_hint,
        .reserve = real_reserve,
        .punch = real_punch,
        .truncate = real_truncate,
        .fstat = real_fstat,
        .stat = real_stat,
        .mkdir = real_mkdir,
        .rename = real_rename,
        .unlink = real_unlink,
        .sync_dir = real_sync_dir,
        .list = real_list,
        .space = real_space,
        .random = real_random,
    };
    static struct os kernel = {&ops, &os_kernel_clock, NULL}; /* never written */
    return &kernel;
}

enum rc os_lock(const char *path, int *ret_fd, struct err *e)
{
    int fd = open_retry(path, O_RDWR | O_CREAT);
    if (fd < 0)
        return fail(e, errno, "open the lock file", path);
    int failed;
    do
        failed = flock(fd, LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR);
    if (!failed) {
        *ret_fd = fd;
        return RC_OK;
    }
    int err = errno;
    close(fd);
    if (err == EWOULDBLOCK)
        return err_set(e, RC_UNAVAILABLE, "%s is locked: another holdfast process uses this folder; stop it first",
                       path);
    return fail(e, err, "lock", path);
}
