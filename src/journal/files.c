/* Holdfast: paths of segments, and a small cache of open segment files for all who read. */
#include <inttypes.h>
#include <stdio.h>

#include "journal/journal_priv.h"

void seg_name(uint64_t first, char dst[SEG_NAME_MAX])
{
    snprintf(dst, SEG_NAME_MAX, "seg-%016" PRIx64, first);
}

/* dir may be changed by a join in another thread. */
static uint64_t dir_copy(struct member *m, char dst[OS_PATH_MAX / 2])
{
    uint64_t generation;

    pthread_mutex_lock(&m->j->files.lock);
    memcpy(dst, m->dir, strlen(m->dir) + 1);
    generation = m->generation;
    pthread_mutex_unlock(&m->j->files.lock);
    return generation;
}

bool member_path(struct member *m, const char *name, char dst[OS_PATH_MAX])
{
    char dir[OS_PATH_MAX / 2];

    (void)dir_copy(m, dir);
    return os_path(dst, dir, name);
}

bool seg_path(struct member *m, uint64_t first, const char *suffix, char dst[OS_PATH_MAX])
{
    char name[SEG_NAME_MAX + sizeof(PUNCHED_SUFFIX)];

    snprintf(name, sizeof(name), "seg-%016" PRIx64 "%s", first, suffix);
    return member_path(m, name, dst);
}

static struct file_slot *set_of(struct files *c, unsigned slot, uint64_t first)
{
    /* Fibonacci hashing spreads neighbouring sequences over the sets. */
    uint64_t h = (first * JOURNAL_MEMBERS_MAX + slot) * 0x9e3779b97f4a7c15ull;

    return &c->v[(h >> 58) % FILES_SETS * FILES_WAYS];
}

static struct file_slot *lookup(struct files *c, unsigned slot, uint64_t first)
{
    struct file_slot *set = set_of(c, slot, first);

    for (unsigned i = 0; i < FILES_WAYS; i++)
        if (set[i].f && !set[i].dead && set[i].first == first && set[i].slot == slot)
            return &set[i];
    return NULL;
}

/* A way that nobody uses, the longest unused first; NULL when all are in use. */
static struct file_slot *victim(struct files *c, unsigned slot, uint64_t first)
{
    struct file_slot *set = set_of(c, slot, first), *best = NULL;

    for (unsigned i = 0; i < FILES_WAYS; i++) {
        if (set[i].refs != 0)
            continue;
        if (!set[i].f)
            return &set[i];
        if (!best || set[i].stamp < best->stamp)
            best = &set[i];
    }
    return best;
}

static bool take_cached(struct files *c, unsigned slot, uint64_t first, struct file_ref *ret)
{
    struct file_slot *s;

    pthread_mutex_lock(&c->lock);
    s = lookup(c, slot, first);
    if (s) {
        s->refs++;
        s->stamp = ++c->clock;
        *ret = (struct file_ref){s->f, s};
    }
    pthread_mutex_unlock(&c->lock);
    return s != NULL;
}

enum rc files_get(struct journal *j, unsigned slot, uint64_t first, struct file_ref *ret, struct err *e)
{
    struct files *c = &j->files;
    struct member *m = &j->member[slot];
    struct os_file *f, *old = NULL;
    struct file_slot *s = NULL;
    char path[OS_PATH_MAX], dir[OS_PATH_MAX / 2], name[SEG_NAME_MAX];
    uint64_t generation;

    if (take_cached(c, slot, first, ret))
        return RC_OK;
    generation = dir_copy(m, dir);
    seg_name(first, name);
    if (!os_path(path, dir, name))
        return err_set(e, RC_LIMIT, "%s: the path is too long", dir);
    HF_TRY(os_open(j->os, path, OS_READ, &f, e));
    pthread_mutex_lock(&c->lock);
    if (generation == m->generation && !lookup(c, slot, first))
        s = victim(c, slot, first);
    if (s) {
        old = s->f;
        *s = (struct file_slot){.first = first, .slot = slot, .refs = 1, .stamp = ++c->clock, .f = f};
    }
    pthread_mutex_unlock(&c->lock);
    if (old)
        os_close(j->os, old);
    *ret = (struct file_ref){f, s};
    return RC_OK;
}

void files_put(struct journal *j, struct file_ref *r)
{
    struct os_file *gone = NULL;

    if (!r->f)
        return;
    pthread_mutex_lock(&j->files.lock);
    if (!r->in) {
        gone = r->f;
    } else {
        HF_ASSERT(r->in->refs > 0);
        if (--r->in->refs == 0 && r->in->dead) {
            gone = r->in->f;
            r->in->f = NULL;
            r->in->dead = false;
        }
    }
    pthread_mutex_unlock(&j->files.lock);
    if (gone)
        os_close(j->os, gone);
    *r = (struct file_ref){NULL, NULL};
}

void files_drop(struct journal *j, unsigned slot, uint64_t first)
{
    struct files *c = &j->files;

    for (size_t i = 0; i < FILES_SETS * FILES_WAYS; i++) {
        struct file_slot *s = &c->v[i];
        struct os_file *gone = NULL;

        pthread_mutex_lock(&c->lock);
        if (s->f && s->slot == slot && (first == 0 || s->first == first)) {
            s->dead = s->refs > 0;
            if (!s->dead) {
                gone = s->f;
                s->f = NULL;
            }
        }
        pthread_mutex_unlock(&c->lock);
        if (gone)
            os_close(j->os, gone);
    }
}

void files_free(struct journal *j)
{
    for (size_t i = 0; i < FILES_SETS * FILES_WAYS; i++) {
        HF_ASSERT(j->files.v[i].refs == 0);
        if (j->files.v[i].f)
            os_close(j->os, j->files.v[i].f);
    }
    pthread_mutex_destroy(&j->files.lock);
}

void file_forget(struct os *os, const char *path)
{
    if (os_unlink(os, path, NULL) != RC_OK)
        return;
}

enum rc read_padded(struct os *os, struct os_file *f, void *dst, size_t n, uint64_t off, struct err *e)
{
    struct iovec iov = {dst, n};
    size_t got = 0;

    HF_TRY(os_preadv(os, f, &iov, 1, off, &got, e));
    memset((uint8_t *)dst + got, 0, n - got);
    return RC_OK;
}
