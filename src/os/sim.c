/* Holdfast: the controls of the file system in memory: its life, its clock, its disks, and the power cut. */
#include "os/sim_priv.h"

#include <stdlib.h>

#define SIM_START_NS (1795219200LL * NS_PER_S) /* 2026-11-21T00:00:00Z */
#define SIM_CAPACITY_PAGES ((1ull << 50) / SIM_PAGE)

void *sim_alloc(size_t n)
{
    void *p = calloc(1, n);
    if (p == NULL)
        HF_BUG("out of memory in a simulated file system");
    return p;
}

/* A counter, and a mixing that spreads each of its bits over the result. */
uint64_t sim_random_next(struct sim_random *r)
{
    uint64_t x = r->state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The bias of the modulo does not matter to a test. */
uint64_t sim_random_below(struct sim_random *r, uint64_t n)
{
    return sim_random_next(r) % n;
}

void sim_lock(struct os_sim *s)
{
    if (pthread_mutex_lock(&s->lock) != 0)
        HF_BUG("a mutex cannot be locked");
}

void sim_unlock(struct os_sim *s)
{
    if (pthread_mutex_unlock(&s->lock) != 0)
        HF_BUG("a mutex cannot be unlocked");
}

static int64_t clock_real(void *ctx)
{
    return atomic_load(&((struct os_sim *)ctx)->real_ns);
}

static int64_t clock_mono(void *ctx)
{
    return atomic_load(&((struct os_sim *)ctx)->mono_ns);
}

void os_sim_clock_add(struct os_sim *s, int64_t ns)
{
    HF_ASSERT(ns >= 0);
    atomic_fetch_add(&s->real_ns, ns);
    atomic_fetch_add(&s->mono_ns, ns);
}

static struct sim_disk *disk_add(struct os_sim *s, struct view top)
{
    HF_ASSERT(s->n_disks < SIM_DISKS_MAX);
    struct sim_disk *d = &s->disk[s->n_disks++];
    if (!view_copy(top, d->top, sizeof d->top))
        HF_BUG("the name of a simulated disk is too long");
    d->capacity_pages = SIM_CAPACITY_PAGES;
    return d;
}

/* Component, after any number of leading slashes and "./". Those past the table share "/", so that paths made up by a
 * fuzzer do no harm. */
struct sim_disk *sim_disk_of(struct os_sim *s, const char *path)
{
    while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
        path++;
    struct view top = view_of(path, strcspn(path, "/"));
    for (unsigned i = 1; i < s->n_disks; i++) {
        if (view_eqs(top, s->disk[i].top))
            return &s->disk[i];
    }
    if (top.n == 0 || top.n > SIM_NAME_MAX || s->n_disks == SIM_DISKS_MAX)
        return &s->disk[0];
    return disk_add(s, top);
}

enum rc os_sim_new(uint64_t seed, struct os_sim **ret)
{
    struct os_sim *s = sim_alloc(sizeof *s);
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return RC_NOMEM;
    }
    s->random.state = seed;
    atomic_init(&s->real_ns, SIM_START_NS);
    atomic_init(&s->mono_ns, NS_PER_S);
    s->clock = (struct clock){clock_real, clock_mono, s};
    s->os = (struct os){&sim_ops, &s->clock, s};
    s->root = sim_node_new(true, disk_add(s, VIEW("")));
    s->root->refs = 1;
    *ret = s;
    return RC_OK;
}

void os_sim_free(struct os_sim *s)
{
    if (s == NULL)
        return;
    sim_handles_free(s);
    sim_node_unref(s->root);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct os *os_sim_os(struct os_sim *s)
{
    return &s->os;
}

uint64_t os_sim_steps(const struct os_sim *s)
{
    return atomic_load(&s->steps);
}

void os_sim_crash_at(struct os_sim *s, uint64_t n)
{
    sim_lock(s);
    s->crash_at = n;
    atomic_store(&s->steps, 0);
    sim_unlock(s);
}

void os_sim_disk_set(struct os_sim *s, const char *top, enum os_sim_disk state)
{
    sim_lock(s);
    sim_disk_of(s, top)->state = state;
    sim_unlock(s);
}

void os_sim_capacity(struct os_sim *s, const char *top, uint64_t bytes)
{
    sim_lock(s);
    sim_disk_of(s, top)->capacity_pages = bytes / SIM_PAGE;
    sim_unlock(s);
}

uint64_t os_sim_open_files(struct os_sim *s)
{
    sim_lock(s);
    uint64_t n = sim_handles_count(s);
    sim_unlock(s);
    return n;
}

struct cut {
    enum os_sim_loss loss;
    struct sim_random *random;
};

static void cut_node(void *ctx, struct sim_node *n)
{
    const struct cut *c = ctx;
    if (n->is_dir)
        sim_dir_cut(n, c->loss, c->random);
    else
        sim_file_cut(n, c->loss, c->random);
}

/* From the root down, so that what hangs on a name that is lost is not looked at: nobody can see it any more. */
void os_sim_power_cut(struct os_sim *s, enum os_sim_loss loss)
{
    struct cut c = {loss, &s->random};
    struct sim_found *found;
    sim_lock(s);
    size_t n = sim_walk(s->root, cut_node, &c, &found);
    sim_walk_free(found, n);
    s->generation++;
    s->crashed = false;
    s->crash_at = 0;
    atomic_store(&s->steps, 0);
    sim_unlock(s);
}

enum rc os_sim_flip(struct os_sim *s, const char *path, uint64_t off, unsigned bit)
{
    sim_lock(s);
    struct sim_node *n = sim_lookup(s, path);
    enum rc rc = RC_OK;
    if (n == NULL || n->is_dir)
        rc = RC_NOT_FOUND;
    else if (off >= n->size)
        rc = RC_END;
    else
        sim_file_flip(n, off, bit);
    sim_unlock(s);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct sim_found *)a)->path, ((const struct sim_found *)b)->path);
}

void os_sim_each(struct os_sim *s, void (*fn)(void *ctx, const char *path, uint64_t size), void *ctx)
{
    struct sim_found *found;
    sim_lock(s);
    size_t n = sim_walk(s->root, NULL, NULL, &found);
    uint64_t *size = sim_alloc(n * sizeof *size);
    qsort(found, n, sizeof *found, by_path);
    for (size_t i = 0; i < n; i++)
        size[i] = found[i].node->is_dir ? UINT64_MAX : found[i].node->size;
    sim_unlock(s);
    /* Unlocked, so that fn may call the os. */
    for (size_t i = 0; i < n; i++) {
        if (size[i] != UINT64_MAX)
            fn(ctx, found[i].path, size[i]);
    }
    free(size);
    sim_walk_free(found, n);
}
