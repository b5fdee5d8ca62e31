/* Holdfast: who may do what in the file system in memory, where a crash strikes, and where a path leads. */
#include "os/sim_priv.h"

static enum rc dead_process(struct err *e, const char *path)
{
    return err_set(e, RC_IO, "%s: the simulated process is dead", path);
}

enum rc sim_admit(struct os_sim *s, const struct sim_disk *d, enum sim_kind kind, const char *path, struct err *e)
{
    if (s->crashed)
        return dead_process(e, path);
    if (d->state == OS_SIM_DISK_DEAD)
        return err_set(e, RC_IO, "%s: the simulated disk is dead", path);
    if (d->state == OS_SIM_DISK_ABSENT)
        return err_set(e, RC_NOT_FOUND, "%s: the simulated disk is absent", path);
    if (d->state == OS_SIM_DISK_READ_ONLY && kind == SIM_CHANGE)
        return err_set(e, RC_UNAVAILABLE, "%s: the simulated disk is read-only", path);
    return RC_OK;
}

enum rc sim_admit_file(struct os_sim *s, const struct os_file *f, enum sim_kind kind, struct err *e)
{
    if (f->generation != s->generation)
        return err_set(e, RC_IO, "%s: this handle is from before the power cut", f->path);
    if (kind == SIM_CHANGE && !(f->flags & OS_WRITE))
        return err_set(e, RC_IO, "%s: not opened for writing", f->path);
    enum rc rc = sim_admit(s, f->node->disk, kind, f->path, e);
    return rc == RC_NOT_FOUND ? RC_IO : rc;
}

/* Counts a mutating call or a sync; true when it is the one that the process dies in. */
static bool step_kills(struct os_sim *s)
{
    uint64_t step = atomic_fetch_add(&s->steps, 1) + 1;
    if (step != s->crash_at)
        return false;
    s->crashed = true;
    return true;
}

enum rc sim_changed(struct os_sim *s, const char *path, struct err *e)
{
    return step_kills(s) ? dead_process(e, path) : RC_OK;
}

enum rc sim_not_found(struct err *e, const char *path)
{
    return err_set(e, RC_NOT_FOUND, "%s: not in the simulated file system", path);
}

/* The next component; false at the end. Empty ones and "." are passed over. */
static bool next_name(const char **p, struct view *ret)
{
    for (;;) {
        *p += strspn(*p, "/");
        size_t n = strcspn(*p, "/");
        *ret = view_of(*p, n);
        *p += n;
        if (n == 0)
            return false;
        if (!view_eqs(*ret, "."))
            return true;
    }
}

static enum rc find_place(struct os_sim *s, const char *path, struct sim_place *ret, struct err *e)
{
    struct sim_place at = {NULL, VIEW(""), s->root};
    const char *p = path;
    struct view name;
    for (unsigned depth = 0; next_name(&p, &name); depth++) {
        if (view_eqs(name, "..") || name.n > SIM_NAME_MAX || depth == SIM_DEPTH_MAX)
            return err_set(e, RC_INVALID, "%s: no path for the simulated file system", path);
        if (at.node == NULL)
            return sim_not_found(e, path);
        if (!at.node->is_dir)
            return err_set(e, RC_IO, "%s: a part of it is not a folder", path);
        at.dir = at.node;
        at.name = name;
        at.node = sim_dir_find(at.dir, name);
    }
    *ret = at;
    return RC_OK;
}

struct sim_node *sim_lookup(struct os_sim *s, const char *path)
{
    struct sim_place at;
    return find_place(s, path, &at, NULL) == RC_OK ? at.node : NULL;
}

enum rc sim_reach(struct os_sim *s, const char *path, enum sim_kind kind, struct sim_place *ret, struct err *e)
{
    HF_TRY(sim_admit(s, sim_disk_of(s, path), kind, path, e));
    return find_place(s, path, ret, e);
}

enum rc sim_reach_existing(struct os_sim *s, const char *path, enum sim_kind kind, struct sim_place *ret, struct err *e)
{
    struct sim_place at = {0};
    HF_TRY(sim_reach(s, path, kind, &at, e));
    if (at.node == NULL)
        return sim_not_found(e, path);
    *ret = at;
    return RC_OK;
}

void sim_set_entry(struct os_sim *s, struct sim_node *dir, struct view name, struct sim_node *node)
{
    sim_dir_set(dir, name, node);
    if (dir == s->root)
        sim_dir_sync(dir);
}

enum rc sim_no_room(struct err *e, const char *path)
{
    return err_set(e, RC_FULL, "%s: the simulated disk is full", path);
}

enum rc sim_add_node(struct os_sim *s, const struct sim_place *at, const char *path, bool is_dir, struct err *e)
{
    struct sim_disk *d = sim_disk_of(s, path);
    if (d->state == OS_SIM_DISK_FULL)
        return sim_no_room(e, path);
    struct sim_node *n = sim_node_new(is_dir, d);
    sim_set_entry(s, at->dir, at->name, n);
    return RC_OK;
}

enum rc sim_sync_verdict(struct os_sim *s, const struct sim_disk *d, const char *path, struct err *e)
{
    if (step_kills(s))
        return dead_process(e, path);
    if (d->state == OS_SIM_DISK_SYNC_FAILS)
        return err_set(e, RC_IO, "%s: the simulated sync failed", path);
    return d->state == OS_SIM_DISK_SYNC_LIES ? RC_END : RC_OK;
}
