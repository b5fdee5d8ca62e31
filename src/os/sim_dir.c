/* Holdfast: directories in memory: what their names mean, what of that is durable, and what a power cut leaves. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* asprintf */
#endif
#include "os/sim_priv.h"

#include <stdio.h>
#include <stdlib.h>

static bool entries_find(const struct sim_entries *e, struct view name, size_t *ret_at)
{
    size_t lo = 0, hi = e->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = view_cmp(view_cstr(e->v[mid].name), name);
        if (c == 0) {
            *ret_at = mid;
            return true;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret_at = lo;
    return false;
}

static char *name_dup(struct view name)
{
    char *p = sim_alloc(name.n + 1);
    memcpy(p, name.p, name.n);
    return p;
}

static void entries_insert(struct sim_entries *e, size_t at, struct view name, struct sim_node *node)
{
    if (e->n == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 8;
        struct sim_entry *v = sim_alloc(cap * sizeof *v);
        if (e->n > 0)
            memcpy(v, e->v, e->n * sizeof *v);
        free(e->v);
        e->v = v;
        e->cap = cap;
    }
    memmove(e->v + at + 1, e->v + at, (e->n - at) * sizeof *e->v);
    e->v[at] = (struct sim_entry){name_dup(name), node};
    e->n++;
}

static void entries_set(struct sim_entries *e, struct view name, struct sim_node *node)
{
    size_t at;
    if (node != NULL)
        node->refs++;
    if (!entries_find(e, name, &at)) {
        if (node != NULL)
            entries_insert(e, at, name, node);
        return;
    }
    struct sim_entry old = e->v[at];
    if (node != NULL) {
        e->v[at].node = node;
    } else {
        memmove(e->v + at, e->v + at + 1, (e->n - at - 1) * sizeof *e->v);
        e->n--;
        free(old.name);
    }
    sim_node_unref(old.node);
}

struct sim_node *sim_dir_find(const struct sim_node *dir, struct view name)
{
    size_t at;
    return entries_find(&dir->now, name, &at) ? dir->now.v[at].node : NULL;
}

static void op_append(struct sim_node *dir, struct sim_op *op)
{
    if (dir->ops == NULL)
        dir->ops = op;
    else
        dir->ops_last->next = op;
    dir->ops_last = op;
}

static void op_name(struct sim_op *op, unsigned i, struct view name, struct sim_node *node)
{
    op->name[i] = name_dup(name);
    op->node[i] = node;
    if (node != NULL)
        node->refs++;
}

static void op_apply(const struct sim_op *op, struct sim_entries *e)
{
    for (unsigned i = 0; i < 2 && op->name[i] != NULL; i++)
        entries_set(e, view_cstr(op->name[i]), op->node[i]);
}

static void ops_clear(struct sim_node *dir)
{
    for (struct sim_op *op = dir->ops, *next; op != NULL; op = next) {
        next = op->next;
        for (unsigned i = 0; i < 2; i++) {
            free(op->name[i]);
            sim_node_unref(op->node[i]);
        }
        free(op);
    }
    dir->ops = dir->ops_last = NULL;
}

void sim_dir_set(struct sim_node *dir, struct view name, struct sim_node *node)
{
    struct sim_op *op = sim_alloc(sizeof *op);
    op_name(op, 0, name, node);
    op_append(dir, op);
    op_apply(op, &dir->now);
}

void sim_dir_rename(struct sim_node *dir, struct view from, struct view to)
{
    struct sim_op *op = sim_alloc(sizeof *op);
    op_name(op, 0, to, sim_dir_find(dir, from));
    op_name(op, 1, from, NULL);
    op_append(dir, op);
    op_apply(op, &dir->now);
}

void sim_dir_sync(struct sim_node *dir)
{
    for (const struct sim_op *op = dir->ops; op != NULL; op = op->next)
        op_apply(op, &dir->durable);
    ops_clear(dir);
}

static bool shares_name(const struct sim_op *a, const struct sim_op *b)
{
    for (unsigned i = 0; i < 2 && a->name[i] != NULL; i++) {
        for (unsigned j = 0; j < 2 && b->name[j] != NULL; j++) {
            if (strcmp(a->name[i], b->name[j]) == 0)
                return true;
        }
    }
    return false;
}

/* What happened to one name is kept in order: after a change that is lost, later ones of the name are lost too. */
static bool follows_dropped(const struct sim_node *dir, const struct sim_op *op)
{
    for (const struct sim_op *before = dir->ops; before != op; before = before->next) {
        if (before->dropped && shares_name(before, op))
            return true;
    }
    return false;
}

void sim_dir_cut(struct sim_node *dir, enum os_sim_loss loss, struct sim_random *r)
{
    for (struct sim_op *op = dir->ops; op != NULL; op = op->next) {
        op->dropped = loss == OS_SIM_LOSE_ALL || (loss == OS_SIM_LOSE_SOME && sim_random_below(r, 2) == 0) ||
                      follows_dropped(dir, op);
        if (!op->dropped)
            op_apply(op, &dir->durable);
    }
    while (dir->now.n > 0)
        entries_set(&dir->now, view_cstr(dir->now.v[dir->now.n - 1].name), NULL);
    for (size_t i = 0; i < dir->durable.n; i++)
        entries_set(&dir->now, view_cstr(dir->durable.v[i].name), dir->durable.v[i].node);
    ops_clear(dir);
}

/* Gives up one reference; the last one puts the node on the list of those to be freed. */
static void release(struct sim_node *n, struct sim_node **dead)
{
    if (n == NULL)
        return;
    HF_ASSERT(n->refs > 0);
    if (--n->refs > 0)
        return;
    n->next_dead = *dead;
    *dead = n;
}

static void entries_free(struct sim_entries *e, struct sim_node **dead)
{
    for (size_t i = 0; i < e->n; i++) {
        free(e->v[i].name);
        release(e->v[i].node, dead);
    }
    free(e->v);
}

void sim_dir_free(struct sim_node *dir, struct sim_node **dead)
{
    entries_free(&dir->now, dead);
    entries_free(&dir->durable, dead);
    for (struct sim_op *op = dir->ops, *next; op != NULL; op = next) {
        next = op->next;
        for (unsigned i = 0; i < 2; i++) {
            free(op->name[i]);
            release(op->node[i], dead);
        }
        free(op);
    }
}

struct sim_node *sim_node_new(bool is_dir, struct sim_disk *disk)
{
    struct sim_node *n = sim_alloc(sizeof *n);
    n->is_dir = is_dir;
    n->disk = disk;
    n->floor = UINT64_MAX;
    n->dirty_lo = UINT64_MAX;
    return n;
}

/* A list instead of recursion: a tree may be deep. */
void sim_node_unref(struct sim_node *n)
{
    struct sim_node *dead = NULL;
    release(n, &dead);
    while (dead != NULL) {
        struct sim_node *gone = dead;
        dead = gone->next_dead;
        if (gone->is_dir)
            sim_dir_free(gone, &dead);
        else
            sim_file_free(gone);
        free(gone);
    }
}

static void found_add(struct sim_found **v, size_t *n, size_t *cap, char *path, struct sim_node *node)
{
    if (*n == *cap) {
        size_t more = *cap ? *cap * 2 : 64;
        struct sim_found *grown = sim_alloc(more * sizeof *grown);
        if (*n > 0)
            memcpy(grown, *v, *n * sizeof *grown);
        free(*v);
        *v = grown;
        *cap = more;
    }
    (*v)[(*n)++] = (struct sim_found){path, node};
}

/* The list is its own queue: each folder found adds what is in it behind. */
size_t sim_walk(struct sim_node *root, sim_visit_fn *visit, void *ctx, struct sim_found **ret)
{
    struct sim_found *v = NULL;
    size_t n = 0, cap = 0;
    found_add(&v, &n, &cap, name_dup(VIEW("")), root);
    for (size_t i = 0; i < n; i++) {
        struct sim_node *dir = v[i].node;
        if (visit != NULL)
            visit(ctx, dir);
        for (size_t k = 0; dir->is_dir && k < dir->now.n; k++) {
            char *path = NULL;
            if (asprintf(&path, "%s/%s", v[i].path, dir->now.v[k].name) < 0)
                HF_BUG("out of memory in a simulated file system");
            found_add(&v, &n, &cap, path, dir->now.v[k].node);
        }
    }
    *ret = v;
    return n;
}

void sim_walk_free(struct sim_found *found, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(found[i].path);
    free(found);
}
