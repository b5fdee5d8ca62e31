/* Holdfast: an os that hands calls on to another one and fails those that a plan names. */
#include "os/fault.h"

#include <stdatomic.h>
#include <stdlib.h>

struct os_file {
    struct os_file *below;
    char path[];
};

struct os_fault {
    struct os os;
    struct os *below;
    pthread_mutex_t lock; /* of plan, and of deciding */
    bool armed;
    struct os_fault_plan plan;
    _Atomic uint64_t seen;
    _Atomic uint64_t fired;
};

static struct os_fault *fault_of(struct os *os)
{
    return os->ctx;
}

static void lock(struct os_fault *f)
{
    if (pthread_mutex_lock(&f->lock) != 0)
        HF_BUG("a mutex cannot be locked");
}

static void unlock(struct os_fault *f)
{
    if (pthread_mutex_unlock(&f->lock) != 0)
        HF_BUG("a mutex cannot be unlocked");
}

static bool matches(const struct os_fault_plan *p, enum os_call call, const char *path)
{
    if (p->calls != 0 && !(p->calls & (1u << call)))
        return false;
    return p->path_prefix == NULL || view_starts(view_cstr(path), view_cstr(p->path_prefix));
}

/* Counts the call and decides; RC_OK: it goes through. *ret_short tells a write to do half of itself first. */
static enum rc decide(struct os_fault *f, enum os_call call, const char *path, bool *ret_short)
{
    enum rc rc = RC_OK;
    lock(f);
    if (f->armed && matches(&f->plan, call, path)) {
        uint64_t seen = atomic_fetch_add(&f->seen, 1) + 1;
        if (f->plan.nth != 0 && (seen == f->plan.nth || (f->plan.for_ever && seen > f->plan.nth))) {
            atomic_fetch_add(&f->fired, 1);
            rc = f->plan.rc;
            *ret_short = f->plan.short_write;
        }
    }
    unlock(f);
    return rc;
}

static enum rc check(struct os *os, enum os_call call, const char *path, struct err *e)
{
    bool unused;
    enum rc rc = decide(fault_of(os), call, path, &unused);
    return rc == RC_OK ? RC_OK : err_set(e, rc, "%s: made to fail by a test", path);
}

static enum rc fault_open(struct os *os, const char *path, unsigned flags, struct os_file **ret, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_OPEN, path, e));
    size_t n = strlen(path) + 1;
    struct os_file *f = malloc(sizeof *f + n);
    if (f == NULL)
        return err_set(e, RC_NOMEM, "%s: out of memory", path);
    memcpy(f->path, path, n);
    enum rc rc = below->ops->open(below, path, flags, &f->below, e);
    if (rc != RC_OK) {
        free(f);
        return rc;
    }
    *ret = f;
    return RC_OK;
}

static void fault_close(struct os *os, struct os_file *f)
{
    struct os *below = fault_of(os)->below;
    if (f == NULL)
        return;
    below->ops->close(below, f->below);
    free(f);
}

static enum rc fault_preadv(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off,
                            size_t *ret_n, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_READ, f->path, e));
    return below->ops->preadv(below, f->below, iov, n, off, ret_n, e);
}

/* The first half of the bytes, piece by piece. What the os below says is not looked at: the write fails anyway. */
static void write_half(struct os *below, struct os_file *f, const struct iovec *iov, int n, uint64_t off)
{
    size_t left = 0;
    for (int i = 0; i < n; i++)
        left += iov[i].iov_len;
    left /= 2;
    for (int i = 0; i < n && left > 0; i++) {
        struct iovec piece = {iov[i].iov_base, iov[i].iov_len < left ? iov[i].iov_len : left};
        if (below->ops->pwritev(below, f->below, &piece, 1, off, NULL) != RC_OK)
            return;
        off += piece.iov_len;
        left -= piece.iov_len;
    }
}

static enum rc fault_pwritev(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off,
                             struct err *e)
{
    struct os *below = fault_of(os)->below;
    bool half = false;
    enum rc rc = decide(fault_of(os), OS_CALL_WRITE, f->path, &half);
    if (rc == RC_OK)
        return below->ops->pwritev(below, f->below, iov, n, off, e);
    if (half)
        write_half(below, f, iov, n, off);
    return err_set(e, rc, "%s: made to fail by a test", f->path);
}

static enum rc fault_datasync(struct os *os, struct os_file *f, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_SYNC, f->path, e));
    return below->ops->datasync(below, f->below, e);
}

static enum rc fault_flush_hint(struct os *os, struct os_file *f, uint64_t off, uint64_t n)
{
    struct os *below = fault_of(os)->below;
    return below->ops->flush_hint(below, f->below, off, n);
}

static enum rc fault_reserve(struct os *os, struct os_file *f, uint64_t size, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_RESERVE, f->path, e));
    return below->ops->reserve(below, f->below, size, e);
}

static enum rc fault_punch(struct os *os, struct os_file *f, uint64_t off, uint64_t n, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_PUNCH, f->path, e));
    return below->ops->punch(below, f->below, off, n, e);
}

static enum rc fault_truncate(struct os *os, struct os_file *f, uint64_t size, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_TRUNCATE, f->path, e));
    return below->ops->truncate(below, f->below, size, e);
}

static enum rc fault_fstat(struct os *os, struct os_file *f, struct os_stat *ret, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_STAT, f->path, e));
    return below->ops->fstat(below, f->below, ret, e);
}

static enum rc fault_stat(struct os *os, const char *path, struct os_stat *ret, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_STAT, path, e));
    return below->ops->stat(below, path, ret, e);
}

static enum rc fault_mkdir(struct os *os, const char *path, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_MKDIR, path, e));
    return below->ops->mkdir(below, path, e);
}

static enum rc fault_rename(struct os *os, const char *from, const char *to, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_RENAME, from, e));
    return below->ops->rename(below, from, to, e);
}

static enum rc fault_unlink(struct os *os, const char *path, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_UNLINK, path, e));
    return below->ops->unlink(below, path, e);
}

static enum rc fault_sync_dir(struct os *os, const char *path, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_SYNC_DIR, path, e));
    return below->ops->sync_dir(below, path, e);
}

static enum rc fault_list(struct os *os, const char *path, os_list_fn *fn, void *ctx, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_LIST, path, e));
    return below->ops->list(below, path, fn, ctx, e);
}

static enum rc fault_space(struct os *os, const char *path, struct os_space *ret, struct err *e)
{
    struct os *below = fault_of(os)->below;
    HF_TRY(check(os, OS_CALL_SPACE, path, e));
    return below->ops->space(below, path, ret, e);
}

static void fault_random(struct os *os, void *p, size_t n)
{
    os_random(fault_of(os)->below, p, n);
}

static const struct os_ops fault_ops = {
    .open = fault_open,
    .close = fault_close,
    .preadv = fault_preadv,
    .pwritev = fault_pwritev,
    .datasync = fault_datasync,
    .flush_hint = fault_flush_hint,
    .reserve = fault_reserve,
    .punch = fault_punch,
    .truncate = fault_truncate,
    .fstat = fault_fstat,
    .stat = fault_stat,
    .mkdir = fault_mkdir,
    .rename = fault_rename,
    .unlink = fault_unlink,
    .sync_dir = fault_sync_dir,
    .list = fault_list,
    .space = fault_space,
    .random = fault_random,
};

enum rc os_fault_new(struct os *below, struct os_fault **ret)
{
    struct os_fault *f = calloc(1, sizeof *f);
    if (f == NULL)
        return RC_NOMEM;
    if (pthread_mutex_init(&f->lock, NULL) != 0) {
        free(f);
        return RC_NOMEM;
    }
    f->below = below;
    f->os = (struct os){&fault_ops, below->clock, f};
    *ret = f;
    return RC_OK;
}

void os_fault_free(struct os_fault *f)
{
    if (f == NULL)
        return;
    pthread_mutex_destroy(&f->lock);
    free(f);
}

struct os *os_fault_os(struct os_fault *f)
{
    return &f->os;
}

void os_fault_set(struct os_fault *f, const struct os_fault_plan *plan)
{
    HF_ASSERT(plan == NULL || plan->nth == 0 || plan->rc != RC_OK);
    lock(f);
    f->armed = plan != NULL;
    if (plan != NULL)
        f->plan = *plan;
    atomic_store(&f->seen, 0);
    atomic_store(&f->fired, 0);
    unlock(f);
}

uint64_t os_fault_seen(const struct os_fault *f)
{
    return atomic_load(&f->seen);
}

uint64_t os_fault_fired(const struct os_fault *f)
{
    return atomic_load(&f->fired);
}
