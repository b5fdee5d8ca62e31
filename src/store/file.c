/* Holdfast store: read handles, kept open between reads, the least recently used closed first. */
#include "store/store_priv.h"

#include <stdlib.h>

static void unlink_locked(struct store *s, struct vol_file *h)
{
    if (h->newer)
        h->newer->older = h->older;
    else
        s->newest = h->older;
    if (h->older)
        h->older->newer = h->newer;
    else
        s->oldest = h->newer;
    h->newer = h->older = NULL;
}

static void link_newest_locked(struct store *s, struct vol_file *h)
{
    h->newer = NULL;
    h->older = s->newest;
    if (s->newest)
        s->newest->newer = h;
    else
        s->oldest = h;
    s->newest = h;
}

struct vol_file *file_evict_locked(struct store *s, struct vol_file *h)
{
    unlink_locked(s, h);
    h->cached = false;
    h->v->file[h->slot] = NULL;
    s->n_cached--;
    return h->refs == 0 ? h : NULL;
}

void file_close(struct store *s, struct vol_file *h)
{
    if (!h)
        return;
    HF_ASSERT(h->refs == 0 && !h->cached);
    os_close(s->os, h->f);
    free(h);
}

/* The longest unused handle that nobody reads from, when there are too many. */
static struct vol_file *surplus_locked(struct store *s)
{
    if (s->n_cached <= FILES_CACHED_MAX)
        return NULL;
    for (struct vol_file *h = s->oldest; h; h = h->newer)
        if (h->refs == 0)
            return file_evict_locked(s, h);
    return NULL;
}

static struct vol_file *take_cached_locked(struct store *s, struct volume *v, unsigned slot)
{
    struct vol_file *h = v->file[slot];
    if (!h)
        return NULL;
    h->refs++;
    if (s->newest != h) {
        unlink_locked(s, h);
        link_newest_locked(s, h);
    }
    return h;
}

static enum rc open_handle(struct store *s, struct volume *v, unsigned slot, struct vol_file **ret, struct err *e)
{
    char path[OS_PATH_MAX];
    volume_path(s, slot, v->id, "", path);
    struct vol_file *h = calloc(1, sizeof *h);
    if (!h)
        return err_set(e, RC_NOMEM, "out of memory while opening %s", path);
    enum rc rc = os_open(s->os, path, OS_READ, &h->f, e);
    if (rc != RC_OK) {
        free(h);
        return rc;
    }
    h->v = v;
    h->slot = slot;
    h->refs = 1;
    *ret = h;
    return RC_OK;
}

enum rc file_get(struct store *s, struct volume *v, unsigned slot, struct vol_file **ret, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    struct vol_file *h = take_cached_locked(s, v, slot);
    pthread_mutex_unlock(&s->lock);
    if (h) {
        *ret = h;
        return RC_OK;
    }
    struct vol_file *mine;
    HF_TRY(open_handle(s, v, slot, &mine, e));
    pthread_mutex_lock(&s->lock);
    struct vol_file *surplus = NULL;
    if (!v->file[slot] && !v->dropped && (v->have & SLOT_BIT(slot))) { /* else: it serves this read only */
        v->file[slot] = mine;
        mine->cached = true;
        link_newest_locked(s, mine);
        s->n_cached++;
        surplus = surplus_locked(s);
    }
    pthread_mutex_unlock(&s->lock);
    file_close(s, surplus);
    *ret = mine;
    return RC_OK;
}

void file_put(struct store *s, struct vol_file *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&s->lock);
    h->refs--;
    bool last = h->refs == 0 && !h->cached;
    pthread_mutex_unlock(&s->lock);
    if (last)
        file_close(s, h);
}

void volume_file_forget(struct store *s, struct volume *v, unsigned slot)
{
    pthread_mutex_lock(&s->lock);
    struct vol_file *idle = v->file[slot] ? file_evict_locked(s, v->file[slot]) : NULL;
    pthread_mutex_unlock(&s->lock);
    file_close(s, idle);
}
