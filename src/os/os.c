/* Holdfast: conveniences over the table of an os. */
#include "os/os.h"

#include <stdio.h>

enum rc os_open(struct os *os, const char *path, unsigned flags, struct os_file **ret, struct err *e)
{
    return os->ops->open(os, path, flags, ret, e);
}

void os_close(struct os *os, struct os_file *f)
{
    os->ops->close(os, f);
}

enum rc os_pread(struct os *os, struct os_file *f, void *p, size_t n, uint64_t off, struct err *e)
{
    struct iovec iov = {p, n};
    size_t got = 0;
    HF_TRY(os->ops->preadv(os, f, &iov, 1, off, &got, e));
    if (got == n)
        return RC_OK;
    return err_set(e, RC_END, "the file ends after %zu of %zu bytes at offset %llu", got, n, (unsigned long long)off);
}

enum rc os_preadv(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off, size_t *ret_n,
                  struct err *e)
{
    return os->ops->preadv(os, f, iov, n, off, ret_n, e);
}

enum rc os_pwrite(struct os *os, struct os_file *f, const void *p, size_t n, uint64_t off, struct err *e)
{
    struct iovec iov = {(void *)(uintptr_t)p, n}; /* struct iovec has no const form; writing does not change it */
    return os->ops->pwritev(os, f, &iov, 1, off, e);
}

enum rc os_pwritev(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off, struct err *e)
{
    return os->ops->pwritev(os, f, iov, n, off, e);
}

enum rc os_datasync(struct os *os, struct os_file *f, struct err *e)
{
    return os->ops->datasync(os, f, e);
}

void os_flush_hint(struct os *os, struct os_file *f, uint64_t off, uint64_t n)
{
    (void)os->ops->flush_hint(os, f, off, n); /* a hint: the sync that follows is what tells of failures */
}

enum rc os_reserve(struct os *os, struct os_file *f, uint64_t size, struct err *e)
{
    return os->ops->reserve(os, f, size, e);
}

enum rc os_punch(struct os *os, struct os_file *f, uint64_t off, uint64_t n, struct err *e)
{
    return os->ops->punch(os, f, off, n, e);
}

enum rc os_truncate(struct os *os, struct os_file *f, uint64_t size, struct err *e)
{
    return os->ops->truncate(os, f, size, e);
}

enum rc os_fstat(struct os *os, struct os_file *f, struct os_stat *ret, struct err *e)
{
    return os->ops->fstat(os, f, ret, e);
}

enum rc os_stat(struct os *os, const char *path, struct os_stat *ret, struct err *e)
{
    return os->ops->stat(os, path, ret, e);
}

enum rc os_mkdir(struct os *os, const char *path, struct err *e)
{
    enum rc rc = os->ops->mkdir(os, path, e);
    return rc == RC_EXISTS ? RC_OK : rc;
}

enum rc os_unlink(struct os *os, const char *path, struct err *e)
{
    return os->ops->unlink(os, path, e);
}

enum rc os_rename(struct os *os, const char *from, const char *to, struct err *e)
{
    return os->ops->rename(os, from, to, e);
}

enum rc os_sync_dir(struct os *os, const char *path, struct err *e)
{
    return os->ops->sync_dir(os, path, e);
}

enum rc os_list(struct os *os, const char *path, os_list_fn *fn, void *ctx, struct err *e)
{
    return os->ops->list(os, path, fn, ctx, e);
}

enum rc os_space(struct os *os, const char *path, struct os_space *ret, struct err *e)
{
    return os->ops->space(os, path, ret, e);
}

void os_random(struct os *os, void *p, size_t n)
{
    os->ops->random(os, p, n);
}

bool os_path(char *dst, const char *a, const char *b)
{
    int n = snprintf(dst, OS_PATH_MAX, "%s/%s", a, b);
    return n >= 0 && n < OS_PATH_MAX;
}

bool os_parent(char *dst, const char *path)
{
    struct view v = view_cstr(path);
    while (v.n > 1 && v.p[v.n - 1] == '/')
        v.n--;
    while (v.n > 0 && v.p[v.n - 1] != '/')
        v.n--;
    if (v.n == 0)
        return view_copy(VIEW("."), dst, OS_PATH_MAX);
    while (v.n > 1 && v.p[v.n - 1] == '/')
        v.n--;
    return view_copy(v, dst, OS_PATH_MAX);
}

static enum rc too_long(struct err *e, const char *path)
{
    return err_set(e, RC_LIMIT, "the path %.64s… is longer than %d bytes", path, OS_PATH_MAX - 1);
}

/* Makes one folder and its entry durable. */
static enum rc mkdir_synced(struct os *os, const char *path, struct err *e)
{
    char parent[OS_PATH_MAX];
    enum rc rc = os->ops->mkdir(os, path, e);
    if (rc == RC_EXISTS)
        return RC_OK;
    HF_TRY(rc);
    if (!os_parent(parent, path))
        return too_long(e, path);
    return os_sync_dir(os, parent, e);
}

enum rc os_mkdirs(struct os *os, const char *path, struct err *e)
{
    char part[OS_PATH_MAX];
    if (!view_copy(view_cstr(path), part, sizeof part))
        return too_long(e, path);
    for (size_t i = 1; part[i] != 0; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = 0;
        HF_TRY(mkdir_synced(os, part, e));
        part[i] = '/';
    }
    HF_TRY(mkdir_synced(os, part, e));
    struct os_stat st;
    HF_TRY(os_stat(os, path, &st, e));
    return st.is_dir ? RC_OK : err_set(e, RC_EXISTS, "%s is there already and is not a folder", path);
}

static enum rc read_open_file(struct os *os, struct os_file *f, const char *path, struct buf *b, struct err *e)
{
    struct os_stat st;
    HF_TRY(os_fstat(os, f, &st, e));
    if (st.size_bytes > b->max - b->n)
        return err_set(e, RC_LIMIT, "%s has %llu bytes, more than the %zu it may have", path,
                       (unsigned long long)st.size_bytes, b->max - b->n);
    if (buf_reserve(b, (size_t)st.size_bytes) != RC_OK)
        return err_set(e, RC_NOMEM, "cannot read %s: out of memory", path);
    struct iovec iov = {b->p + b->n, (size_t)st.size_bytes};
    size_t got = 0;
    if (st.size_bytes > 0)
        HF_TRY(os_preadv(os, f, &iov, 1, 0, &got, e));
    b->n += got;
    return RC_OK;
}

enum rc os_read_file(struct os *os, const char *path, struct buf *b, struct err *e)
{
    struct os_file *f;
    HF_TRY(os_open(os, path, OS_READ, &f, e));
    enum rc rc = read_open_file(os, f, path, b, e);
    os_close(os, f);
    return rc;
}

static enum rc write_new(struct os *os, const char *path, struct view v, struct err *e)
{
    struct os_file *f;
    HF_TRY(os_open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &f, e));
    enum rc rc = os_pwrite(os, f, v.p, v.n, 0, e);
    if (rc == RC_OK)
        rc = os_datasync(os, f, e);
    os_close(os, f);
    return rc;
}

enum rc os_write_file(struct os *os, const char *path, struct view v, struct err *e)
{
    char tmp[OS_PATH_MAX], parent[OS_PATH_MAX];
    int n = snprintf(tmp, sizeof tmp, "%s.tmp", path);
    if (n < 0 || n >= OS_PATH_MAX || !os_parent(parent, path))
        return too_long(e, path);
    enum rc rc = write_new(os, tmp, v, e);
    if (rc == RC_OK)
        rc = os_rename(os, tmp, path, e);
    if (rc != RC_OK) {
        enum rc ignored = os_unlink(os, tmp, NULL); /* a leftover does no harm: the next one truncates it */
        (void)ignored;
        return rc;
    }
    return os_sync_dir(os, parent, e);
}

/* One pass over a folder that is being emptied: files go, the first folder found is where to go next. */
struct emptying {
    struct os *os;
    struct err *e;
    char dir[OS_PATH_MAX];
    char child[OS_PATH_MAX]; /* "" when there was none */
};

static enum rc empty_entry(void *ctx, const char *name, bool is_dir)
{
    struct emptying *t = ctx;
    char path[OS_PATH_MAX];
    if (!os_path(path, t->dir, name))
        return too_long(t->e, t->dir);
    if (is_dir)
        return t->child[0] || view_copy(view_cstr(path), t->child, sizeof t->child) ? RC_OK : too_long(t->e, path);
    enum rc rc = os_unlink(t->os, path, t->e);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* Walks down into folders and back up without recursion: the path itself is the stack. */
static enum rc remove_dir(struct os *os, const char *path, struct err *e)
{
    struct emptying t = {.os = os, .e = e};
    if (!view_copy(view_cstr(path), t.dir, sizeof t.dir))
        return too_long(e, path);
    size_t root = strlen(t.dir);
    for (;;) {
        t.child[0] = 0;
        HF_TRY(os_list(os, t.dir, empty_entry, &t, e));
        if (t.child[0] != 0) {
            memcpy(t.dir, t.child, sizeof t.dir);
            continue;
        }
        HF_TRY(os_unlink(os, t.dir, e));
        if (strlen(t.dir) == root)
            return RC_OK;
        if (!os_parent(t.child, t.dir))
            return too_long(e, t.dir);
        memcpy(t.dir, t.child, sizeof t.dir);
    }
}

enum rc os_remove_tree(struct os *os, const char *path, struct err *e)
{
    struct os_stat st;
    enum rc rc = os_stat(os, path, &st, e);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    HF_TRY(rc);
    return st.is_dir ? remove_dir(os, path, e) : os_unlink(os, path, e);
}
