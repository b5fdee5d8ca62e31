/* Holdfast: the calls of the file system in memory. */
#include "os/sim_priv.h"

#include <stdlib.h>

static struct os_sim *sim_of(struct os *os)
{
    return os->ctx;
}

/* The entry is there, or is made; *ret_step when that, or truncating, was a change. */
static enum rc open_node(struct os_sim *s, const char *path, unsigned flags, struct sim_node **ret, bool *ret_step,
                         struct err *e)
{
    struct sim_place at;
    bool create = false;
    HF_TRY(sim_reach(s, path, SIM_READ, &at, e));
    if (at.node == NULL && !(flags & OS_CREATE))
        return sim_not_found(e, path);
    if (at.node != NULL && (flags & OS_CREATE) && (flags & OS_EXCLUSIVE))
        return err_set(e, RC_EXISTS, "%s: there already", path);
    if (at.node != NULL && at.node->is_dir)
        return err_set(e, RC_IO, "%s: is a folder", path);
    if (flags & OS_WRITE)
        HF_TRY(sim_admit(s, sim_disk_of(s, path), SIM_CHANGE, path, e));
    if (at.node == NULL) {
        HF_TRY(sim_add_node(s, &at, path, false, e));
        at.node = sim_dir_find(at.dir, at.name);
        create = true;
    }
    bool truncate = (flags & OS_TRUNCATE) && at.node->size > 0;
    if (truncate)
        sim_file_truncate(at.node, 0, &s->random);
    *ret = at.node;
    *ret_step = create || truncate;
    return RC_OK;
}

static struct os_file *handle_new(struct os_sim *s, const char *path, unsigned flags, struct sim_node *node)
{
    size_t n = strlen(path) + 1;
    struct os_file *f = sim_alloc(sizeof *f + n);
    memcpy(f->path, path, n);
    f->flags = flags;
    f->generation = s->generation;
    f->node = node;
    node->refs++;
    f->next = s->handles;
    f->link = &s->handles;
    if (f->next != NULL)
        f->next->link = &f->next;
    s->handles = f;
    return f;
}

static void handle_free(struct os_file *f)
{
    *f->link = f->next;
    if (f->next != NULL)
        f->next->link = f->link;
    sim_node_unref(f->node);
    free(f);
}

void sim_handles_free(struct os_sim *s)
{
    while (s->handles != NULL)
        handle_free(s->handles);
}

uint64_t sim_handles_count(const struct os_sim *s)
{
    uint64_t n = 0;
    for (const struct os_file *f = s->handles; f != NULL; f = f->next)
        n++;
    return n;
}

static enum rc do_open(struct os *os, const char *path, unsigned flags, struct os_file **ret, struct err *e)
{
    struct os_sim *s = sim_of(os);
    struct sim_node *node = NULL;
    bool step = false;
    sim_lock(s);
    enum rc rc = flags & (OS_READ | OS_WRITE) ? open_node(s, path, flags, &node, &step, e)
                                              : err_set(e, RC_INVALID, "%s: neither reading nor writing", path);
    if (rc == RC_OK && step)
        rc = sim_changed(s, path, e);
    if (rc == RC_OK)
        *ret = handle_new(s, path, flags, node);
    sim_unlock(s);
    return rc;
}

static void do_close(struct os *os, struct os_file *f)
{
    struct os_sim *s = sim_of(os);
    if (f == NULL)
        return;
    sim_lock(s);
    handle_free(f);
    sim_unlock(s);
}

static enum rc do_preadv(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off, size_t *ret_n,
                         struct err *e)
{
    struct os_sim *s = sim_of(os);
    sim_lock(s);
    enum rc rc = sim_admit_file(s, f, SIM_READ, e);
    if (rc == RC_OK && !(f->flags & OS_READ))
        rc = err_set(e, RC_IO, "%s: not opened for reading", f->path);
    size_t total = 0;
    for (int i = 0; rc == RC_OK && i < n; i++) {
        size_t got = sim_file_read(f->node, off + total, iov[i].iov_base, iov[i].iov_len);
        total += got;
        if (got < iov[i].iov_len)
            break;
    }
    if (rc == RC_OK)
        *ret_n = total;
    sim_unlock(s);
    return rc;
}

static enum rc write_all(struct os_sim *s, struct os_file *f, const struct iovec *iov, int n, uint64_t off,
                         struct err *e)
{
    uint64_t total = 0;
    HF_TRY(sim_admit_file(s, f, SIM_CHANGE, e));
    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    enum rc rc = sim_file_room(f->node, off, total);
    if (rc == RC_FULL)
        return sim_no_room(e, f->path);
    if (rc != RC_OK)
        return err_set(e, rc, "%s: offset %llu is too far", f->path, (unsigned long long)off);
    for (int i = 0; i < n; i++) {
        sim_file_write(f->node, off, iov[i].iov_base, iov[i].iov_len, &s->random);
        off += iov[i].iov_len;
    }
    return sim_changed(s, f->path, e);
}

static enum rc do_pwritev(struct os *os, struct os_file *f, const struct iovec *iov, int n, uint64_t off, struct err *e)
{
    struct os_sim *s = sim_of(os);
    sim_lock(s);
    enum rc rc = write_all(s, f, iov, n, off, e);
    sim_unlock(s);
    return rc;
}

static enum rc sync_file(struct os_sim *s, struct os_file *f, struct err *e)
{
    HF_TRY(sim_admit_file(s, f, SIM_SYNC, e));
    const struct sim_disk *d = f->node->disk;
    if (d->state == OS_SIM_DISK_READ_ONLY && sim_file_is_dirty(f->node))
        return err_set(e, RC_IO, "%s: the simulated disk went read-only before this was written", f->path);
    enum rc rc = sim_sync_verdict(s, d, f->path, e);
    if (rc == RC_OK)
        sim_file_sync(f->node);
    else if (rc == RC_IO)
        f->node->poisoned = true;
    return rc == RC_END ? RC_OK : rc;
}

static enum rc do_datasync(struct os *os, struct os_file *f, struct err *e)
{
    struct os_sim *s = sim_of(os);
    sim_lock(s);
    enum rc rc = sync_file(s, f, e);
    sim_unlock(s);
    return rc;
}

static enum rc do_flush_hint(struct os *os, struct os_file *f, uint64_t off, uint64_t n)
{
    (void)os;
    (void)f;
    (void)off;
    (void)n;
    return RC_OK;
}

static enum rc reserve(struct os_sim *s, struct os_file *f, uint64_t size, struct err *e)
{
    HF_TRY(sim_admit_file(s, f, SIM_CHANGE, e));
    enum rc rc = sim_file_room(f->node, 0, size);
    if (rc == RC_FULL)
        return sim_no_room(e, f->path);
    if (rc != RC_OK)
        return err_set(e, rc, "%s: too large", f->path);
    sim_file_reserve(f->node, size);
    return sim_changed(s, f->path, e);
}

static enum rc do_reserve(struct os *os, struct os_file *f, uint64_t size, struct err *e)
{
    struct os_sim *s = sim_of(os);
    sim_lock(s);
    enum rc rc = reserve(s, f, size, e);
    sim_unlock(s);
    return rc;
}

static enum rc do_punch(struct os *os, struct os_file *f, uint64_t off, uint64_t n, struct err *e)
{
    struct os_sim *s = sim_of(os);
    sim_lock(s);
    enum rc rc = sim_admit_file(s, f, SIM_CHANGE, e);
    if (rc == RC_OK && (off > SIM_FILE_MAX || n > SIM_FILE_MAX))
        rc = err_set(e, RC_LIMIT, "%s: too large", f->path);
    if (rc == RC_OK) {
        sim_file_punch(f->node, off, n, &s->random);
        rc = sim_changed(s, f->path, e);
    }
    sim_unlock(s);
    return rc;
}

static enum rc do_truncate(struct os *os, struct os_file *f, uint64_t size, struct err *e)
{
    struct os_sim *s = sim_of(os);
    sim_lock(s);
    enum rc rc = sim_admit_file(s, f, SIM_CHANGE, e);
    if (rc == RC_OK && size > SIM_FILE_MAX)
        rc = err_set(e, RC_LIMIT, "%s: too large", f->path);
    if (rc == RC_OK) {
        sim_file_truncate(f->node, size, &s->random);
        rc = sim_changed(s, f->path, e);
    }
    sim_unlock(s);
    return rc;
}

static void fill_stat(const struct sim_node *n, struct os_stat *ret)
{
    ret->is_dir = n->is_dir;
    ret->size_bytes = n->size;
    ret->allocated_bytes = sim_file_allocated(n);
}

static enum rc do_fstat(struct os *os, struct os_file *f, struct os_stat *ret, struct err *e)
{
    struct os_sim *s = sim_of(os);
    sim_lock(s);
    enum rc rc = sim_admit_file(s, f, SIM_READ, e);
    if (rc == RC_OK)
        fill_stat(f->node, ret);
    sim_unlock(s);
    return rc;
}

static enum rc do_stat(struct os *os, const char *path, struct os_stat *ret, struct err *e)
{
    struct os_sim *s = sim_of(os);
    struct sim_place at;
    sim_lock(s);
    enum rc rc = sim_reach_existing(s, path, SIM_READ, &at, e);
    if (rc == RC_OK)
        fill_stat(at.node, ret);
    sim_unlock(s);
    return rc;
}

static enum rc do_mkdir(struct os *os, const char *path, struct err *e)
{
    struct os_sim *s = sim_of(os);
    struct sim_place at;
    sim_lock(s);
    enum rc rc = sim_reach(s, path, SIM_READ, &at, e);
    if (rc == RC_OK && at.node != NULL)
        rc = err_set(e, RC_EXISTS, "%s: there already", path);
    if (rc == RC_OK)
        rc = sim_admit(s, sim_disk_of(s, path), SIM_CHANGE, path, e);
    if (rc == RC_OK)
        rc = sim_add_node(s, &at, path, true, e);
    if (rc == RC_OK)
        rc = sim_changed(s, path, e);
    sim_unlock(s);
    return rc;
}

/* May a rename put `from` where `to` is? */
static enum rc replaceable(const struct sim_place *from, const struct sim_place *to, const char *path, struct err *e)
{
    if (to->dir == NULL || from->dir == NULL)
        return err_set(e, RC_INVALID, "%s: / cannot be renamed", path);
    if (from->dir != to->dir && (from->node->is_dir || from->dir->disk != to->dir->disk))
        return err_set(e, RC_UNSUPPORTED, "%s: renaming folders or to another disk", path);
    if (to->node != NULL && (to->node->is_dir != from->node->is_dir || to->node->now.n > 0))
        return err_set(e, RC_IO, "%s: something of another kind, or a folder with entries, is there", path);
    return RC_OK;
}

static void move_entry(struct os_sim *s, const struct sim_place *from, const struct sim_place *to)
{
    if (from->node == to->node)
        return;
    if (from->dir == to->dir) {
        sim_dir_rename(from->dir, from->name, to->name);
        if (from->dir == s->root)
            sim_dir_sync(s->root);
        return;
    }
    sim_dir_set(to->dir, to->name, from->node);
    sim_dir_set(from->dir, from->name, NULL);
}

static enum rc do_rename(struct os *os, const char *from, const char *to, struct err *e)
{
    struct os_sim *s = sim_of(os);
    struct sim_place source, target;
    sim_lock(s);
    enum rc rc = sim_reach_existing(s, from, SIM_CHANGE, &source, e);
    if (rc == RC_OK)
        rc = sim_reach(s, to, SIM_CHANGE, &target, e);
    if (rc == RC_OK)
        rc = replaceable(&source, &target, to, e);
    if (rc == RC_OK) {
        move_entry(s, &source, &target);
        rc = sim_changed(s, to, e);
    }
    sim_unlock(s);
    return rc;
}

static enum rc do_unlink(struct os *os, const char *path, struct err *e)
{
    struct os_sim *s = sim_of(os);
    struct sim_place at;
    sim_lock(s);
    enum rc rc = sim_reach_existing(s, path, SIM_CHANGE, &at, e);
    if (rc == RC_OK && (at.dir == NULL || at.node->now.n > 0))
        rc = err_set(e, RC_IO, "%s: the folder is not empty", path);
    if (rc == RC_OK) {
        sim_set_entry(s, at.dir, at.name, NULL);
        rc = sim_changed(s, path, e);
    }
    sim_unlock(s);
    return rc;
}

static enum rc reach_dir(struct os_sim *s, const char *path, enum sim_kind kind, struct sim_node **ret, struct err *e)
{
    struct sim_place at;
    HF_TRY(sim_reach_existing(s, path, kind, &at, e));
    if (!at.node->is_dir)
        return err_set(e, RC_IO, "%s: not a folder", path);
    *ret = at.node;
    return RC_OK;
}

static enum rc do_sync_dir(struct os *os, const char *path, struct err *e)
{
    struct os_sim *s = sim_of(os);
    struct sim_node *dir = NULL;
    sim_lock(s);
    enum rc rc = reach_dir(s, path, SIM_SYNC, &dir, e);
    if (rc == RC_OK)
        rc = sim_sync_verdict(s, dir->disk, path, e);
    if (rc == RC_OK)
        sim_dir_sync(dir);
    sim_unlock(s);
    return rc == RC_END ? RC_OK : rc;
}

/* A copy of the names, because the callback may call the os again. Types are kept as the first byte: 'd' or 'f'. */
static size_t snapshot(const struct sim_node *dir, char ***ret)
{
    char **names = sim_alloc((dir->now.n + 1) * sizeof *names);
    for (size_t i = 0; i < dir->now.n; i++) {
        size_t n = strlen(dir->now.v[i].name) + 1;
        names[i] = sim_alloc(n + 1);
        names[i][0] = dir->now.v[i].node->is_dir ? 'd' : 'f';
        memcpy(names[i] + 1, dir->now.v[i].name, n);
    }
    *ret = names;
    return dir->now.n;
}

static enum rc do_list(struct os *os, const char *path, os_list_fn *fn, void *ctx, struct err *e)
{
    struct os_sim *s = sim_of(os);
    struct sim_node *dir = NULL;
    char **names = NULL;
    size_t n = 0;
    sim_lock(s);
    enum rc rc = reach_dir(s, path, SIM_READ, &dir, e);
    if (rc == RC_OK)
        n = snapshot(dir, &names);
    sim_unlock(s);
    for (size_t i = 0; i < n; i++) {
        if (rc == RC_OK)
            rc = fn(ctx, names[i] + 1, names[i][0] == 'd');
        free(names[i]);
    }
    free(names);
    return rc;
}

static enum rc do_space(struct os *os, const char *path, struct os_space *ret, struct err *e)
{
    struct os_sim *s = sim_of(os);
    struct sim_place at;
    sim_lock(s);
    enum rc rc = sim_reach_existing(s, path, SIM_READ, &at, e);
    if (rc == RC_OK) {
        const struct sim_disk *d = sim_disk_of(s, path);
        bool full = d->state == OS_SIM_DISK_FULL || d->used_pages > d->capacity_pages;
        ret->total_bytes = d->capacity_pages * SIM_PAGE;
        ret->free_bytes = full ? 0 : (d->capacity_pages - d->used_pages) * SIM_PAGE;
        ret->read_only = d->state == OS_SIM_DISK_READ_ONLY;
    }
    sim_unlock(s);
    return rc;
}

static void do_random(struct os *os, void *p, size_t n)
{
    struct os_sim *s = sim_of(os);
    sim_lock(s);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)sim_random_next(&s->random);
    sim_unlock(s);
}

const struct os_ops sim_ops = {
    .open = do_open,
    .close = do_close,
    .preadv = do_preadv,
    .pwritev = do_pwritev,
    .datasync = do_datasync,
    .flush_hint = do_flush_hint,
    .reserve = do_reserve,
    .punch = do_punch,
    .truncate = do_truncate,
    .fstat = do_fstat,
    .stat = do_stat,
    .mkdir = do_mkdir,
    .rename = do_rename,
    .unlink = do_unlink,
    .sync_dir = do_sync_dir,
    .list = do_list,
    .space = do_space,
    .random = do_random,
};
