/* Holdfast store: opening and closing, and what is known of each slot's disk. */
#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define TEMP_NAMES_MAX (1u << 20) /* bytes of left-over names removed at one start */

bool store_slot_failed(const struct store *s, unsigned slot)
{
    return slot < s->n_slots && (atomic_load(&s->failed) & SLOT_BIT(slot));
}

bool slot_usable(const struct store *s, unsigned slot)
{
    if (store_slot_failed(s, slot))
        return false;
    return disk_usable(&s->disks->disk[slot]);
}

uint32_t usable_slots(const struct store *s)
{
    uint32_t set = 0;
    for (unsigned i = 0; i < s->n_slots; i++)
        if (slot_usable(s, i))
            set |= SLOT_BIT(i);
    return set;
}

void slot_failed(struct store *s, unsigned slot)
{
    if (atomic_fetch_or(&s->failed, SLOT_BIT(slot)) & SLOT_BIT(slot))
        return;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_volumes; i++) {
        struct volume *v = s->volume[i];
        v->checked &= ~SLOT_BIT(slot);
        if (v->w && v->w->f[slot])
            v->w->lost |= SLOT_BIT(slot);
    }
    pthread_mutex_unlock(&s->lock);
    /* The state belongs to whoever keeps the epochs; alone we set it ourselves. */
    if (s->cfg.disk_failed)
        s->cfg.disk_failed(s->cfg.ctx, slot);
    else
        atomic_store(&s->disks->disk[slot].state, DISK_QUARANTINED);
}

void slot_degraded(struct store *s, unsigned slot)
{
    enum disk_state was = DISK_OK;
    if (!atomic_compare_exchange_strong(&s->disks->disk[slot].state, &was, DISK_DEGRADED))
        return;
    pthread_mutex_lock(&s->lock);
    s->slot[slot].degraded = true;
    pthread_mutex_unlock(&s->lock);
}

void slot_read_error(struct store *s, unsigned slot)
{
    atomic_fetch_add(&s->read_errors, 1);
    slot_degraded(s, slot);
    if (atomic_fetch_add(&s->slot[slot].read_errors, 1) + 1u >= READ_ERRORS_MAX)
        slot_failed(s, slot);
}

void slot_read_good(struct store *s, unsigned slot)
{
    if (atomic_load_explicit(&s->slot[slot].read_errors, memory_order_relaxed) != 0)
        atomic_store(&s->slot[slot].read_errors, 0);
}

void slot_dir(struct store *s, unsigned slot, char *dst)
{
    pthread_mutex_lock(&s->lock);
    HF_ASSERT(view_copy(view_cstr(s->slot[slot].dir), dst, OS_PATH_MAX));
    pthread_mutex_unlock(&s->lock);
}

void volume_path(struct store *s, unsigned slot, uint64_t id, const char *suffix, char *dst)
{
    pthread_mutex_lock(&s->lock);
    int n = snprintf(dst, OS_PATH_MAX, "%s/vol-%016llx%s", s->slot[slot].dir, (unsigned long long)id, suffix);
    pthread_mutex_unlock(&s->lock);
    HF_ASSERT(n > 0 && n < OS_PATH_MAX);
}

/* ---- taking a disk into use ---- */

static enum rc make_dir(struct store *s, unsigned slot, const char *dir, struct err *e)
{
    struct os_stat st;
    enum rc rc = os_stat(s->os, dir, &st, e);
    if (rc != RC_NOT_FOUND)
        return rc;
    HF_TRY(os_mkdir(s->os, dir, e));
    return os_sync_dir(s->os, s->disks->disk[slot].path, e);
}

struct listing {
    struct store *s;
    unsigned slot;
    struct buf temps; /* names, each with its 0 */
};

/* "vol-" and 16 lower-case hex digits, not all zero. */
static bool volume_name(const char *name, size_t n, uint64_t *ret_id)
{
    uint8_t id[8];
    if (n != 20 || memcmp(name, "vol-", 4) != 0 || hex_decode(view_of(name + 4, 16), id, sizeof id) != RC_OK)
        return false;
    *ret_id = be64_get(id);
    return *ret_id != 0;
}

static enum rc on_entry(void *ctx, const char *name, bool is_dir)
{
    struct listing *l = ctx;
    size_t n = strlen(name);
    uint64_t id;
    if (is_dir)
        return RC_OK;
    if (n == 24 && strcmp(name + 20, ".tmp") == 0 && volume_name(name, 20, &id))
        return buf_put(&l->temps, name, n + 1);
    if (!volume_name(name, n, &id))
        return RC_OK;
    pthread_mutex_lock(&l->s->lock);
    struct volume *v = volume_note_locked(l->s, id);
    if (v)
        v->have |= SLOT_BIT(l->slot);
    pthread_mutex_unlock(&l->s->lock);
    return v ? RC_OK : RC_NOMEM;
}

/* Copies that were never finished. */
static enum rc remove_temps(struct store *s, const char *dir, const struct buf *temps, struct err *e)
{
    for (size_t at = 0; at < temps->n; at += strlen(temps->p + at) + 1) {
        char path[OS_PATH_MAX];
        HF_ASSERT(os_path(path, dir, temps->p + at));
        enum rc rc = os_unlink(s->os, path, e);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return rc;
    }
    return RC_OK;
}

enum rc slot_take(struct store *s, unsigned slot, struct err *e)
{
    char dir[OS_PATH_MAX];
    slot_dir(s, slot, dir);
    HF_TRY(make_dir(s, slot, dir, e));
    struct listing l = {s, slot, BUF(TEMP_NAMES_MAX)};
    enum rc rc = os_list(s->os, dir, on_entry, &l, e);
    if (rc == RC_OK)
        rc = remove_temps(s, dir, &l.temps, e);
    buf_free(&l.temps);
    return rc;
}

/* grow_lock held (or still alone): from now on the slot is this disk. */
static enum rc slot_join(struct store *s, unsigned slot, struct err *e)
{
    struct slot *k = &s->slot[slot];
    const struct disk *disk = &s->disks->disk[slot];
    struct vol_file *close_list = NULL;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_volumes; i++) {
        struct volume *v = s->volume[i];
        v->have &= ~SLOT_BIT(slot);
        v->checked &= ~SLOT_BIT(slot);
        if (v->w && v->w->f[slot])
            v->w->lost |= SLOT_BIT(slot); /* its handle is of the disk that left */
        struct vol_file *idle = v->file[slot] ? file_evict_locked(s, v->file[slot]) : NULL;
        if (idle) {
            idle->older = close_list;
            close_list = idle;
        }
    }
    int n = snprintf(k->dir, sizeof k->dir, "%s/volumes", disk->path);
    HF_ASSERT(n > 0 && (size_t)n < sizeof k->dir);
    memcpy(k->disk_uuid, disk->uuid, sizeof k->disk_uuid);
    atomic_store(&k->read_errors, 0);
    k->state_seen = atomic_load(&disk->state);
    k->degraded = k->state_seen == DISK_DEGRADED;
    k->taken = disk_usable(disk);
    pthread_mutex_unlock(&s->lock);
    while (close_list) {
        struct vol_file *next = close_list->older;
        file_close(s, close_list);
        close_list = next;
    }
    atomic_fetch_and(&s->failed, ~SLOT_BIT(slot));
    if (!disk_usable(disk))
        return RC_OK;
    enum rc rc = slot_take(s, slot, e);
    if (rc == RC_NOMEM || rc == RC_LIMIT)
        return rc;
    if (rc != RC_OK)
        slot_failed(s, slot);
    return RC_OK;
}

static bool slot_is_new(struct store *s, unsigned slot)
{
    const struct disk *disk = &s->disks->disk[slot];
    if (!disk_usable(disk))
        return false;
    pthread_mutex_lock(&s->lock);
    struct slot *k = &s->slot[slot];
    enum disk_state state = atomic_load(&disk->state);
    /* Whoever replaces a disk changes its state, first and last; between the two nobody may look at the rest. */
    bool changed = state != k->state_seen || state == DISK_REBUILDING;
    bool is_new = !k->taken || (changed && memcmp(k->disk_uuid, disk->uuid, sizeof k->disk_uuid) != 0);
    k->state_seen = state;
    pthread_mutex_unlock(&s->lock);
    return is_new;
}

enum rc slots_refresh(struct store *s, struct err *e)
{
    for (unsigned i = 0; i < s->n_slots; i++) {
        if (!slot_is_new(s, i))
            continue;
        pthread_mutex_lock(&s->grow_lock);
        enum rc rc = slot_is_new(s, i) ? slot_join(s, i, e) : RC_OK;
        pthread_mutex_unlock(&s->grow_lock);
        HF_TRY(rc);
        volumes_seal_all(s); /* new extents go to a volume that the new disk has a copy of */
    }
    return RC_OK;
}

/* ---- open and close ---- */

static enum rc join_all(struct store *s, struct err *e)
{
    for (unsigned i = 0; i < s->n_slots; i++)
        HF_TRY(slot_join(s, i, e));
    return RC_OK;
}

enum rc store_open(struct os *os, struct diskset *disks, struct journal *j, const struct store_cfg *cfg,
                   struct store **ret, struct err *e)
{
    HF_ASSERT(disks->n > 0 && disks->n <= DISKS_MAX && disks->copies > 0);
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, RC_NOMEM, "out of memory while opening the store");
    s->os = os;
    s->disks = disks;
    s->journal = j;
    s->cfg = *cfg;
    s->n_slots = disks->n;
    if (s->cfg.volume_size_target == 0)
        s->cfg.volume_size_target = VOLUME_SIZE_TARGET;
    pthread_mutex_init(&s->grow_lock, NULL);
    pthread_mutex_init(&s->heal_lock, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->quiet, NULL);
    enum rc rc = join_all(s, e);
    if (rc == RC_OK && s->n_slots > 1) {
        rc = os_pool_new(s->cfg.workers ? s->cfg.workers : STORE_WORKERS, "store", &s->pool);
        if (rc != RC_OK)
            rc = err_set(e, rc, "cannot start the store's threads");
    }
    if (rc != RC_OK) {
        store_close(s);
        return rc;
    }
    *ret = s;
    return RC_OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    if (s->pool)
        os_pool_free(s->pool);
    volumes_seal_all(s);
    pthread_mutex_lock(&s->lock);
    while (s->n_volumes > 0) {
        struct volume *v = s->volume[s->n_volumes - 1];
        HF_ASSERT(v->puts == 0 && v->refs == 1);
        volume_forget_locked(s, v);
        pthread_mutex_unlock(&s->lock);
        for (unsigned i = 0; i < DISKS_MAX; i++)
            volume_file_forget(s, v, i);
        volume_unref(s, v);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    free(s->volume);
    pthread_cond_destroy(&s->quiet);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->heal_lock);
    pthread_mutex_destroy(&s->grow_lock);
    free(s);
}

void store_stats(struct store *s, struct store_stats *ret)
{
    struct store_stats st = {
        .reads = atomic_load(&s->reads),
        .read_bytes = atomic_load(&s->read_bytes),
        .corrupt_found = atomic_load(&s->corrupt_found),
        .corrupt_repaired = atomic_load(&s->corrupt_repaired),
        .read_errors = atomic_load(&s->read_errors),
    };
    pthread_mutex_lock(&s->lock);
    st.volumes = s->n_volumes;
    pthread_mutex_unlock(&s->lock);
    *ret = st;
}
