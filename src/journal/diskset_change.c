/* Holdfast: changing the set of disks while it is in use, and healing the identities. */
#include "journal/diskset_priv.h"

/* While another disk lacks something, a disk that still works may hold the only copy of it. */
static enum rc refuse_needed(const struct diskset *d, unsigned slot, struct err *e)
{
    if (!disk_usable(&d->disk[slot]))
        return RC_OK;
    for (unsigned i = 0; i < d->n; i++)
        if (i != slot && d->disk[i].state != DISK_OK && d->disk[i].state != DISK_DEGRADED)
            return err_set(e, RC_CONFLICT,
                           "%s is %s, so %s may hold the only copy of something: wait until that one is ok, or "
                           "replace it first",
                           d->disk[i].path, disk_state_name(d->disk[i].state), d->disk[slot].path);
    return RC_OK;
}

/* Somebody must be left from whom the new disk can be filled. */
static enum rc refuse_last(const struct diskset *d, unsigned slot, struct err *e)
{
    bool usable = false, whole = slot >= JOURNAL_MEMBERS_MAX;

    for (unsigned i = 0; i < d->n; i++) {
        if (i == slot || !disk_usable(&d->disk[i]))
            continue;
        usable = true;
        whole = whole || (i < JOURNAL_MEMBERS_MAX && d->disk[i].journal_whole);
    }
    if (!usable || !whole || d->copies < 2)
        return err_set(e, RC_CONFLICT, "%s holds the only copy: there is no other disk to copy from",
                       d->disk[slot].path);
    return RC_OK;
}

static bool has_journal(const struct diskset *d, const char *disk_path)
{
    char path[OS_PATH_MAX];
    struct os_stat st;

    return os_path(path, disk_path, "journal") && os_stat(d->os, path, &st, NULL) != RC_NOT_FOUND;
}

/* An identity for this slot without any data is what a replace leaves that was cut off before its witness. */
static bool left_by_replace(const struct diskset *d, const char *path, const struct identity *id, unsigned slot)
{
    return memcmp(id->store, d->store_uuid, UUID_SIZE) == 0 && id->slot == slot &&
           diskset_by_uuid(d, id->disk) == d->n && !has_journal(d, path);
}

static enum rc identity_new(struct diskset *d, const char *path, unsigned slot, struct identity *id, struct err *e)
{
    bool damaged;
    enum rc rc;

    HF_TRY(os_mkdirs(d->os, path, e));
    rc = identity_read(d->os, path, id, &damaged, e);
    if (rc == RC_OK && left_by_replace(d, path, id, slot))
        return RC_OK;
    if (rc == RC_OK || rc == RC_CORRUPT || (rc == RC_NOT_FOUND && has_journal(d, path)))
        return err_set(e, RC_EXISTS, "%s is already a disk of a store: give an empty directory", path);
    if (rc != RC_NOT_FOUND)
        return rc;
    memcpy(id->store, d->store_uuid, UUID_SIZE);
    os_random(d->os, id->disk, UUID_SIZE);
    id->slot = slot;
    id->copies = d->copies;
    return identity_write(d->os, path, id, e);
}

/* In this order, so that nobody takes the new path for the old disk. */
static void disk_become(struct disk *k, const char *path, const uint8_t uuid[UUID_SIZE], enum disk_state state,
                        bool whole)
{
    k->state = DISK_MISSING;
    k->journal_whole = whole;
    memcpy(k->path, path, strlen(path) + 1);
    memcpy(k->uuid, uuid, UUID_SIZE);
    k->state = state;
}

enum rc diskset_replace(struct diskset *d, const char *old_path, const char *new_path, unsigned *ret_slot,
                        struct err *e)
{
    char from[DISK_PATH_MAX], to[DISK_PATH_MAX];
    uint8_t old_uuid[UUID_SIZE];
    struct identity id;
    enum disk_state old_state;
    bool old_whole;
    unsigned slot;
    struct disk *k;
    enum rc rc;

    HF_TRY(path_normal(old_path, from, e));
    HF_TRY(path_normal(new_path, to, e));
    slot = diskset_by_path(d, from);
    if (slot == d->n)
        return err_set(e, RC_NOT_FOUND, "%s is not one of this store's disks: see `holdfast disk list`", from);
    if (diskset_by_path(d, to) != d->n)
        return err_set(e, RC_CONFLICT, "%s is one of this store's disks already", to);
    HF_TRY(refuse_last(d, slot, e));
    HF_TRY(refuse_needed(d, slot, e));
    HF_TRY(identity_new(d, to, slot, &id, e));
    k = &d->disk[slot];
    old_state = k->state;
    old_whole = k->journal_whole;
    memcpy(old_uuid, k->uuid, UUID_SIZE);
    disk_become(k, to, id.disk, DISK_REBUILDING, false);
    rc = diskset_witness(d, e);
    if (rc != RC_OK) {
        disk_become(k, from, old_uuid, old_state, old_whole);
        return rc;
    }
    k->bytes_used = 0;
    *ret_slot = slot;
    return RC_OK;
}

enum rc diskset_scrub(struct diskset *d, uint64_t *corrupt, uint64_t *repaired, struct err *e)
{
    for (unsigned i = 0; i < d->n; i++) {
        const struct disk *k = &d->disk[i];
        struct identity id, want = {.slot = i, .copies = d->copies};
        bool damaged = false;
        enum rc rc;

        if (!disk_usable(k))
            continue;
        memcpy(want.store, d->store_uuid, UUID_SIZE);
        memcpy(want.disk, k->uuid, UUID_SIZE);
        rc = identity_read(d->os, k->path, &id, &damaged, e);
        if (rc == RC_OK && !damaged && memcmp(&id, &want, sizeof(id)) == 0)
            continue;
        /* Never onto a bare mount point: only where our journal (or volumes) stand. */
        if (rc == RC_NOT_FOUND && i < JOURNAL_MEMBERS_MAX && !has_journal(d, k->path))
            continue;
        ++*corrupt;
        if (identity_write(d->os, k->path, &want, e) == RC_OK)
            ++*repaired;
    }
    return RC_OK;
}
