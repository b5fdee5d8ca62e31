/* Holdfast store: the table of volumes, and their life from open to dropped.
 *
 * Ids are 63 random bits, not a counter: a counter would have to be kept durably somewhere that survives every disk,
 * and a disk that was away could still bring an id back. A random id is checked against all volumes that are known;
 * meeting one that is not (dropped, or on an absent disk) has a chance of 2^-63 for each such volume, and even then the
 * extents' random owners keep any block of the one from verifying as a block of the other. */
#include "store/store_priv.h"

#include <stdlib.h>

#define TABLE_FIRST 64u

size_t volume_index_locked(const struct store *s, uint64_t id, bool *ret_found)
{
    size_t low = 0, high = s->n_volumes;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (s->volume[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found = low < s->n_volumes && s->volume[low]->id == id;
    return low;
}

struct volume *volume_find(struct store *s, uint64_t id)
{
    bool found;
    pthread_mutex_lock(&s->lock);
    size_t at = volume_index_locked(s, id, &found);
    struct volume *v = found ? s->volume[at] : NULL;
    if (v)
        v->refs++;
    pthread_mutex_unlock(&s->lock);
    return v;
}

void volume_unref(struct store *s, struct volume *v)
{
    if (!v)
        return;
    pthread_mutex_lock(&s->lock);
    HF_ASSERT(v->refs > 0);
    bool last = --v->refs == 0;
    pthread_mutex_unlock(&s->lock);
    if (last) {
        HF_ASSERT(v->puts == 0 && !v->w);
        free(v);
    }
}

static bool table_grow_locked(struct store *s)
{
    if (s->n_volumes < s->cap_volumes)
        return true;
    size_t cap = s->cap_volumes ? s->cap_volumes * 2 : TABLE_FIRST;
    struct volume **table = realloc(s->volume, cap * sizeof *table);
    if (!table)
        return false;
    s->volume = table;
    s->cap_volumes = cap;
    return true;
}

struct volume *volume_note_locked(struct store *s, uint64_t id)
{
    bool found;
    size_t at = volume_index_locked(s, id, &found);
    if (found)
        return s->volume[at];
    struct volume *v = calloc(1, sizeof *v);
    if (!v || !table_grow_locked(s)) {
        free(v);
        return NULL;
    }
    v->id = id;
    v->sealed = true;
    v->refs = 1;
    memmove(&s->volume[at + 1], &s->volume[at], (s->n_volumes - at) * sizeof(struct volume *));
    s->volume[at] = v;
    s->n_volumes++;
    return v;
}

void volume_forget_locked(struct store *s, struct volume *v)
{
    bool found;
    size_t at = volume_index_locked(s, v->id, &found);
    HF_ASSERT(found && s->volume[at] == v);
    s->n_volumes--;
    memmove(&s->volume[at], &s->volume[at + 1], (s->n_volumes - at) * sizeof(struct volume *));
    v->dropped = true;
}

/* ---- writers ---- */

static struct writer *writer_new(void)
{
    struct writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    pthread_mutex_init(&w->reserve_lock, NULL);
    pthread_mutex_init(&w->sync_lock, NULL);
    pthread_cond_init(&w->sync_cond, NULL);
    return w;
}

static void writer_free(struct store *s, struct writer *w)
{
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (w->f[i])
            os_close(s->os, w->f[i]);
    pthread_cond_destroy(&w->sync_cond);
    pthread_mutex_destroy(&w->sync_lock);
    pthread_mutex_destroy(&w->reserve_lock);
    free(w);
}

/* Gives back what was allocated ahead: setting the size that the file has frees what lies behind it. */
static enum rc trim(struct store *s, struct os_file *f)
{
    struct os_stat st;
    HF_TRY(os_fstat(s->os, f, &st, NULL));
    return os_truncate(s->os, f, st.size_bytes, NULL);
}

/* That trimming fails costs only space: every acknowledged byte was synced. */
void writer_close(struct store *s, struct writer *w)
{
    if (!w)
        return;
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if (w->f[i] && !(w->lost & SLOT_BIT(i)) && trim(s, w->f[i]) != RC_OK)
            slot_degraded(s, i);
    writer_free(s, w);
}

static struct writer *idle_writer_locked(struct volume *v)
{
    struct writer *w = v->sealed && v->puts == 0 ? v->w : NULL;
    if (w)
        v->w = NULL;
    return w;
}

struct writer *volume_seal_locked(struct store *s, struct volume *v)
{
    if (s->open == v)
        s->open = NULL;
    v->sealed = true;
    return idle_writer_locked(v);
}

void volume_seal(struct store *s, struct volume *v)
{
    pthread_mutex_lock(&s->lock);
    struct writer *w = volume_seal_locked(s, v);
    pthread_mutex_unlock(&s->lock);
    writer_close(s, w);
}

void volumes_seal_all(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    struct volume *v = s->open;
    if (v)
        v->refs++;
    pthread_mutex_unlock(&s->lock);
    if (!v)
        return;
    volume_seal(s, v);
    volume_unref(s, v);
}

void volume_put_done(struct store *s, struct volume *v)
{
    pthread_mutex_lock(&s->lock);
    HF_ASSERT(v->puts > 0);
    v->puts--;
    v->quiet_ns = clock_mono_ns(s->os->clock);
    struct writer *w = idle_writer_locked(v);
    if (v->puts == 0)
        pthread_cond_broadcast(&s->quiet);
    pthread_mutex_unlock(&s->lock);
    writer_close(s, w);
    volume_unref(s, v);
}

/* ---- making a volume ---- */

struct making {
    struct store *s;
    uint64_t id;
    uint32_t slots; /* as the header shall name them */
    struct writer *w;
    enum rc rc[DISKS_MAX];
    struct err err[DISKS_MAX];
};

static void make_copy(void *ctx, unsigned slot)
{
    struct making *m = ctx;
    struct os_file *f;
    enum rc rc = volume_file_begin(m->s, slot, m->id, m->slots, &f, &m->err[slot]);
    if (rc == RC_OK) {
        rc = volume_file_commit(m->s, slot, m->id, f, &m->err[slot]);
        if (rc == RC_OK)
            m->w->f[slot] = f;
        else
            os_close(m->s->os, f);
    }
    m->rc[slot] = rc;
}

/* The first failure, once every disk that is to blame was left out. */
static enum rc making_result(struct making *m, uint32_t on, uint32_t *full, struct err *e)
{
    enum rc rc = RC_OK;
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        if (!(on & SLOT_BIT(i)) || m->rc[i] == RC_OK)
            continue;
        if (rc_blames_disk(m->rc[i]))
            slot_failed(m->s, i);
        if (m->rc[i] == RC_FULL)
            *full |= SLOT_BIT(i);
        if (rc == RC_OK)
            rc = err_set(e, m->rc[i], "%s", m->err[i].text);
    }
    return rc;
}

/* What was made before another disk failed. A file that cannot be removed holds no extent: it is found dead at the next
 * start. */
static void discard_copies(struct making *m, uint32_t on)
{
    char path[OS_PATH_MAX];
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        if (!(on & SLOT_BIT(i)))
            continue;
        volume_path(m->s, i, m->id, m->rc[i] == RC_OK ? "" : ".tmp", path);
        if (os_unlink(m->s->os, path, NULL) != RC_OK)
            continue;
    }
}

static uint64_t new_id(struct store *s)
{
    for (;;) {
        uint8_t raw[8];
        os_random(s->os, raw, sizeof raw);
        uint64_t id = be64_get(raw) >> 1;
        bool found;
        pthread_mutex_lock(&s->lock);
        (void)volume_index_locked(s, id, &found);
        pthread_mutex_unlock(&s->lock);
        if (id != 0 && !found)
            return id;
    }
}

/* Puts the volume in the table and makes it the open one. */
static enum rc publish(struct store *s, const struct making *m, uint32_t on, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    struct volume *v = volume_note_locked(s, m->id);
    if (!v) {
        pthread_mutex_unlock(&s->lock);
        return err_set(e, RC_NOMEM, "out of memory while making a volume");
    }
    v->slots = m->slots;
    v->slots_known = true;
    v->have = v->checked = on;
    v->tail = VOLUME_HEADER_SIZE;
    v->w = m->w;
    v->sealed = false;
    m->w->lost = on & ~usable_slots(s); /* a disk that failed while we were at it */
    struct volume *old = s->open;
    struct writer *idle = NULL;
    if (old) {
        old->refs++;
        idle = volume_seal_locked(s, old);
    }
    s->open = v;
    pthread_mutex_unlock(&s->lock);
    writer_close(s, idle);
    volume_unref(s, old);
    return RC_OK;
}

enum rc volume_create(struct store *s, uint32_t on, uint32_t should, uint32_t *full, struct err *e)
{
    struct making *m = calloc(1, sizeof *m);
    struct writer *w = writer_new();
    enum rc rc = RC_NOMEM;
    if (!m || !w) {
        rc = err_set(e, RC_NOMEM, "out of memory while making a volume");
        goto out;
    }
    m->s = s;
    m->id = new_id(s);
    m->slots = should;
    m->w = w;
    fan_out(s->pool, on, make_copy, m);
    rc = making_result(m, on, full, e);
    if (rc == RC_OK)
        rc = publish(s, m, on, e);
    if (rc == RC_OK)
        w = NULL; /* the volume's now */
    else
        discard_copies(m, on);
out:
    if (w)
        writer_free(s, w);
    free(m);
    return rc;
}

/* ---- dropping, listing ---- */

uint64_t volume_size(struct store *s, struct volume *v)
{
    pthread_mutex_lock(&s->lock);
    uint64_t size = v->tail;
    uint32_t have = v->have;
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; size == 0 && i < s->n_slots; i++) {
        char path[OS_PATH_MAX];
        struct os_stat st;
        if (!(have & SLOT_BIT(i)) || !slot_usable(s, i))
            continue;
        volume_path(s, i, v->id, "", path);
        if (os_stat(s->os, path, &st, NULL) == RC_OK && st.size_bytes > size)
            size = st.size_bytes;
    }
    pthread_mutex_lock(&s->lock);
    if (v->tail == 0)
        v->tail = size;
    pthread_mutex_unlock(&s->lock);
    return size;
}

enum rc volume_ids(struct store *s, uint64_t **ret_ids, size_t *ret_n, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n_volumes;
    uint64_t *ids = malloc((n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < n; i++)
        ids[i] = s->volume[i]->id;
    pthread_mutex_unlock(&s->lock);
    if (!ids)
        return err_set(e, RC_NOMEM, "out of memory while listing volumes");
    *ret_ids = ids;
    *ret_n = n;
    return RC_OK;
}

static bool sealed_and_quiet(struct store *s, struct volume *v)
{
    pthread_mutex_lock(&s->lock);
    bool quiet = v->sealed && v->puts == 0 && !v->dropped;
    pthread_mutex_unlock(&s->lock);
    return quiet;
}

/* The first volume with an id from `from` on, referenced. */
static struct volume *volume_from(struct store *s, uint64_t from)
{
    bool found;
    pthread_mutex_lock(&s->lock);
    size_t at = volume_index_locked(s, from, &found);
    struct volume *v = at < s->n_volumes ? s->volume[at] : NULL;
    if (v)
        v->refs++;
    pthread_mutex_unlock(&s->lock);
    return v;
}

enum rc store_each_sealed(struct store *s, enum rc (*fn)(void *ctx, uint64_t volume, uint64_t size_bytes), void *ctx)
{
    struct volume *v = volume_from(s, 0);
    while (v) {
        enum rc rc = RC_OK;
        if (sealed_and_quiet(s, v))
            rc = fn(ctx, v->id, volume_size(s, v));
        uint64_t next = v->id + 1; /* ids have 63 bits */
        volume_unref(s, v);
        HF_TRY(rc);
        v = volume_from(s, next);
    }
    return RC_OK;
}

static enum rc remove_copy(struct store *s, struct volume *v, unsigned slot, struct err *e)
{
    char path[OS_PATH_MAX], dir[OS_PATH_MAX];
    volume_path(s, slot, v->id, "", path);
    slot_dir(s, slot, dir);
    enum rc rc = os_unlink(s->os, path, e);
    if (rc == RC_OK || rc == RC_NOT_FOUND)
        rc = os_sync_dir(s->os, dir, e);
    return rc;
}

static enum rc remove_copies(struct store *s, struct volume *v, struct err *e)
{
    enum rc result = RC_OK;
    for (unsigned i = 0; i < s->n_slots; i++) {
        if (!slot_usable(s, i))
            continue; /* a copy that comes back with its disk is found dead again */
        enum rc rc = remove_copy(s, v, i, result == RC_OK ? e : NULL);
        if (rc == RC_OK)
            volume_file_forget(s, v, i);
        else if (result == RC_OK)
            result = rc;
    }
    return result;
}

enum rc store_drop(struct store *s, uint64_t volume, struct err *e)
{
    struct volume *v = volume_find(s, volume);
    if (!v)
        return RC_OK;
    if (!sealed_and_quiet(s, v)) {
        volume_unref(s, v);
        return err_set(e, RC_CONFLICT, "volume %016llx is still written to", (unsigned long long)volume);
    }
    enum rc rc = remove_copies(s, v, e);
    if (rc == RC_OK) {
        pthread_mutex_lock(&s->lock);
        bool mine = !v->dropped;
        if (mine)
            volume_forget_locked(s, v);
        pthread_mutex_unlock(&s->lock);
        for (unsigned i = 0; i < s->n_slots; i++)
            volume_file_forget(s, v, i); /* one that a reader opened meanwhile */
        if (mine)
            volume_unref(s, v); /* the table's */
    }
    volume_unref(s, v);
    return rc;
}
