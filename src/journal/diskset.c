/* Holdfast: opening or making the set of disks, by their recorded identities. */
#include "journal/diskset.h"

#include <stdio.h>
#include <stdlib.h>

#include "journal/diskset_priv.h"

enum { COPIES_DEFAULT = 2 };

const char *disk_state_name(enum disk_state s)
{
    static const char *const names[] = {"ok", "degraded", "missing", "rebuilding", "quarantined"};

    HF_ASSERT((unsigned)s < sizeof(names) / sizeof(names[0]));
    return names[s];
}

bool disk_usable(const struct disk *k)
{
    enum disk_state s = k->state;

    return s == DISK_OK || s == DISK_DEGRADED || s == DISK_REBUILDING;
}

enum rc path_normal(const char *path, char dst[DISK_PATH_MAX], struct err *e)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0)
        return err_set(e, RC_INVALID, "an empty path cannot be a disk or a data folder");
    if (!view_copy(view_of(path, n), dst, DISK_PATH_MAX))
        return err_set(e, RC_LIMIT, "%s: a path may have %d bytes", path, DISK_PATH_MAX - 1);
    return RC_OK;
}

unsigned diskset_by_path(const struct diskset *d, const char *path)
{
    unsigned i;

    for (i = 0; i < d->n && strcmp(d->disk[i].path, path) != 0; i++)
        continue;
    return i;
}

unsigned diskset_by_uuid(const struct diskset *d, const uint8_t uuid[UUID_SIZE])
{
    unsigned i;

    for (i = 0; i < d->n && memcmp(d->disk[i].uuid, uuid, UUID_SIZE) != 0; i++)
        continue;
    return i;
}

/* What was given on the command line, or the default of a new store. */
struct given {
    unsigned n;
    char path[DISKS_MAX][DISK_PATH_MAX];
};

static enum rc given_read(const struct diskset_cfg *cfg, struct given *g, struct err *e)
{
    if (cfg->n_paths > DISKS_MAX)
        return err_set(e, RC_LIMIT, "a store has at most %d disks", DISKS_MAX);
    g->n = cfg->n_paths;
    for (unsigned i = 0; i < g->n; i++) {
        HF_TRY(path_normal(cfg->paths[i], g->path[i], e));
        for (unsigned k = 0; k < i; k++)
            if (strcmp(g->path[i], g->path[k]) == 0)
                return err_set(e, RC_INVALID, "--disk %s is given twice", g->path[i]);
    }
    return RC_OK;
}

static enum rc given_default(const struct diskset *d, struct given *g, struct err *e)
{
    char path[OS_PATH_MAX];

    for (g->n = 0; g->n < COPIES_DEFAULT; g->n++) {
        if (!os_path(path, d->data_dir, g->n == 0 ? "disk1" : "disk2"))
            return err_set(e, RC_LIMIT, "%s: the path is too long", d->data_dir);
        HF_TRY(path_normal(path, g->path[g->n], e));
    }
    return RC_OK;
}

/* ---- a new store ---- */

static enum rc copies_choose(const struct diskset_cfg *cfg, unsigned n_disks, unsigned *ret, struct err *e)
{
    unsigned copies = cfg->copies ? cfg->copies : COPIES_DEFAULT;

    if (cfg->copies == 0 && n_disks == 1)
        return err_set(e, RC_INVALID,
                       "one disk keeps one copy, and its failure loses everything: add a --disk, or say --copies 1");
    if (copies > n_disks)
        return err_set(e, RC_INVALID, "%u copies need %u disks, but %u are given: add --disk or lower --copies", copies,
                       copies, n_disks);
    *ret = copies;
    return RC_OK;
}

/* Nobody's data is taken over by mistake: a directory with a journal but without an identity is not new. */
static enum rc refuse_used(const struct diskset *d, const char *disk_path, struct err *e)
{
    char path[OS_PATH_MAX];
    struct os_stat st;
    enum rc rc;

    if (!os_path(path, disk_path, "journal"))
        return err_set(e, RC_LIMIT, "%s: the path is too long", disk_path);
    rc = os_stat(d->os, path, &st, e);
    if (rc == RC_NOT_FOUND)
        return RC_OK;
    if (rc == RC_OK)
        return err_set(e, RC_INVALID, "%s holds a journal but no identity: restore its file `identity`, or empty it",
                       disk_path);
    return rc;
}

/* Writes the identities; the witness already names them, so a crash in between is continued. Nothing was ever
 * acknowledged by a store in the making, so an identity that it left behind may be written over. */
static enum rc make_finish(struct diskset *d, struct err *e)
{
    for (unsigned i = 0; i < d->n; i++) {
        struct disk *k = &d->disk[i];
        struct identity id, want = {.slot = i, .copies = d->copies};
        bool damaged;
        enum rc rc;

        memcpy(want.store, d->store_uuid, UUID_SIZE);
        memcpy(want.disk, k->uuid, UUID_SIZE);
        HF_TRY(os_mkdirs(d->os, k->path, e));
        rc = identity_read(d->os, k->path, &id, &damaged, e);
        if (rc == RC_OK && memcmp(id.store, d->store_uuid, UUID_SIZE) != 0)
            rc = err_set(e, RC_INVALID, "%s already belongs to another store: give an empty directory", k->path);
        else if (rc == RC_OK && diskset_by_uuid(d, id.disk) < i)
            rc = err_set(e, RC_INVALID, "%s is the same directory as %s", k->path,
                         d->disk[diskset_by_uuid(d, id.disk)].path);
        else if (rc == RC_NOT_FOUND || rc == RC_CORRUPT || rc == RC_OK)
            rc = identity_write(d->os, k->path, &want, e);
        HF_TRY(rc);
    }
    d->making = false;
    d->fresh = true;
    return diskset_witness(d, e);
}

/* The set as given, its witness, then its identities. */
static enum rc make_set(struct diskset *d, const struct diskset_cfg *cfg, const struct given *g, struct err *e)
{
    HF_TRY(copies_choose(cfg, g->n, &d->copies, e));
    for (d->n = 0; d->n < g->n; d->n++) {
        struct disk *k = &d->disk[d->n];

        memcpy(k->path, g->path[d->n], sizeof(k->path));
        os_random(d->os, k->uuid, UUID_SIZE);
        k->slot = d->n;
        k->state = DISK_OK;
    }
    d->making = true;
    d->was_virtual = cfg->virtual_clock;
    HF_TRY(diskset_witness(d, e));
    d->witness_found = true;
    return make_finish(d, e);
}

static enum rc make(struct diskset *d, const struct diskset_cfg *cfg, const struct given *g, struct err *e)
{
    for (unsigned i = 0; i < g->n; i++)
        HF_TRY(refuse_used(d, g->path[i], e));
    os_random(d->os, d->store_uuid, UUID_SIZE);
    return make_set(d, cfg, g, e);
}

/* ---- a store that is there ---- */

/* What stands at one path. */
struct probe {
    const char *path;
    enum rc rc; /* of reading the identity */
    struct identity id;
    bool damaged;
};

static enum rc probe(const struct diskset *d, const char *path, struct probe *p, struct err *e)
{
    p->path = path;
    p->rc = identity_read(d->os, path, &p->id, &p->damaged, e);
    if (p->rc == RC_OK && memcmp(p->id.store, d->store_uuid, UUID_SIZE) != 0)
        return err_set(e, RC_INVALID, "%s belongs to another store: mount the right disk, or name another --disk",
                       path);
    return RC_OK;
}

/* The disk with this identity is at p: it came as recorded, or back from somewhere. */
static void attach(struct diskset *d, struct disk *k, const struct probe *p)
{
    if (k->path != p->path)
        memcpy(k->path, p->path, strlen(p->path) + 1);
    if (k->state != DISK_OK && k->state != DISK_DEGRADED)
        k->state = DISK_REBUILDING;
    /* What cannot be healed now is healed by the scrub; one good copy is enough. */
    if (p->damaged && identity_write(d->os, k->path, &p->id, NULL) != RC_OK)
        k->state = k->state == DISK_OK ? DISK_DEGRADED : k->state;
}

/* The recorded disk that this identity belongs to, or d->n. A witness that was made anew without a disk does not know
 * its uuid: then the slot tells, and what the disk holds is not believed before it was compared. */
static unsigned slot_of(struct diskset *d, const struct probe *p)
{
    static const uint8_t unknown[UUID_SIZE];
    unsigned slot = diskset_by_uuid(d, p->id.disk);

    if (slot < d->n || p->id.slot >= d->n || memcmp(d->disk[p->id.slot].uuid, unknown, UUID_SIZE) != 0)
        return slot;
    memcpy(d->disk[p->id.slot].uuid, p->id.disk, UUID_SIZE);
    return p->id.slot;
}

/* Looks for every recorded disk at its path and at the paths given, by uuid. *ret_lost: a disk without journal that was
 * there the last time is not; the journal sees to the others. */
static enum rc attach_all(struct diskset *d, const struct given *g, bool *ret_lost, struct err *e)
{
    struct probe *p = calloc((size_t)d->n + g->n, sizeof(*p));
    bool present[DISKS_MAX] = {false};
    char(*paths)[DISK_PATH_MAX] = calloc(d->n, sizeof(*paths));
    unsigned n = 0;
    enum rc rc = p && paths ? RC_OK : err_set(e, RC_NOMEM, "no memory");

    for (unsigned i = 0; rc == RC_OK && i < d->n; i++) {
        memcpy(paths[i], d->disk[i].path, sizeof(paths[i]));
        rc = probe(d, paths[i], &p[n++], e);
    }
    for (unsigned i = 0; rc == RC_OK && i < g->n; i++)
        if (diskset_by_path(d, g->path[i]) == d->n)
            rc = probe(d, g->path[i], &p[n++], e);
    for (unsigned i = 0; rc == RC_OK && i < n; i++) {
        unsigned slot = p[i].rc == RC_OK ? slot_of(d, &p[i]) : d->n;

        if (slot < d->n && present[slot])
            rc = err_set(e, RC_INVALID, "%s and %s carry the same identity: remove the copy", d->disk[slot].path,
                         p[i].path);
        else if (slot < d->n)
            attach(d, &d->disk[slot], &p[i]);
        else if (i >= d->n)
            rc = err_set(e, RC_INVALID,
                         "--disk %s is not one of this store's disks: `holdfast disk replace OLD %s` puts it in the "
                         "place of one",
                         p[i].path, p[i].path);
        if (slot < d->n)
            present[slot] = true;
    }
    for (unsigned i = 0; rc == RC_OK && i < d->n; i++) {
        bool nothing = p[i].rc == RC_NOT_FOUND || p[i].rc == RC_CORRUPT || p[i].rc == RC_OK;

        if (present[i])
            continue;
        *ret_lost = *ret_lost || (i >= JOURNAL_MEMBERS_MAX && disk_usable(&d->disk[i]));
        /* At its own path: nothing, a bare mount point, another disk; or it cannot be read. */
        d->disk[i].state = nothing ? DISK_MISSING : DISK_QUARANTINED;
    }
    free(paths);
    free(p);
    return rc;
}

static enum rc refuse_all_absent(const struct diskset *d, struct err *e)
{
    for (unsigned i = 0; i < d->n; i++)
        if (disk_usable(&d->disk[i]))
            return RC_OK;
    return err_set(e, RC_UNAVAILABLE, "none of this store's disks is there (the first is %s): mount them",
                   d->disk[0].path);
}

static enum rc open_recorded(struct diskset *d, const struct diskset_cfg *cfg, const struct given *g, struct err *e)
{
    bool lost = false;

    if (d->making)
        return g->n > 0 ? make_set(d, cfg, g, e) : make_finish(d, e);
    if (cfg->copies != 0 && cfg->copies != d->copies)
        return err_set(e, RC_INVALID, "this store keeps %u copies: leave --copies out, or say --copies %u", d->copies,
                       d->copies);
    if (d->was_virtual && !cfg->virtual_clock && !cfg->offline)
        return err_set(e, RC_UNAVAILABLE,
                       "%s was driven by a virtual clock and never serves in real time: add --virtual-clock, or use "
                       "another data folder",
                       d->data_dir);
    HF_TRY(attach_all(d, g, &lost, e));
    HF_TRY(refuse_all_absent(d, e));
    if (!lost && (d->was_virtual || !cfg->virtual_clock))
        return RC_OK;
    /* What a lost disk misses from now on must be known when it comes back. */
    d->was_virtual = d->was_virtual || cfg->virtual_clock;
    return diskset_witness(d, e);
}

/* ---- the witness is lost: the identities tell the slots; the journal decides whether that is enough ---- */

/* A disk that nobody named still has its slot: it is missing, under the name that it would have by default. */
static enum rc name_unnamed(struct diskset *d, struct err *e)
{
    for (unsigned i = 0; i < d->n; i++) {
        char name[16], path[OS_PATH_MAX];

        if (d->disk[i].path[0] != '\0')
            continue;
        snprintf(name, sizeof(name), "disk%u", i + 1);
        if (!os_path(path, d->data_dir, name))
            return err_set(e, RC_LIMIT, "%s: the path is too long", d->data_dir);
        HF_TRY(path_normal(path, d->disk[i].path, e));
    }
    return RC_OK;
}

static unsigned slots_told(const struct given *g, const struct probe *p)
{
    unsigned n = g->n;

    for (unsigned i = 0; i < g->n; i++) {
        if (p[i].rc != RC_OK)
            continue;
        n = p[i].id.slot + 1 > n ? p[i].id.slot + 1 : n;
        n = p[i].id.copies > n ? p[i].id.copies : n;
    }
    return n;
}

static enum rc open_identities(struct diskset *d, const struct diskset_cfg *cfg, const struct given *g,
                               const struct probe *p, struct err *e)
{
    unsigned spare = 0;

    d->n = slots_told(g, p);
    for (unsigned i = 0; i < d->n; i++) {
        d->disk[i].slot = i;
        d->disk[i].state = DISK_MISSING;
    }
    for (unsigned i = 0; i < g->n; i++) {
        struct disk *k = p[i].rc == RC_OK ? &d->disk[p[i].id.slot] : NULL;

        if (!k)
            continue;
        if (k->state == DISK_OK || memcmp(p[i].id.store, d->store_uuid, UUID_SIZE) != 0)
            return err_set(e, RC_INVALID, "%s does not belong with the other disks given", p[i].path);
        memcpy(k->uuid, p[i].id.disk, UUID_SIZE);
        d->copies = p[i].id.copies;
        k->state = DISK_OK;
        attach(d, k, &p[i]);
    }
    for (unsigned i = 0; i < g->n; i++) {
        if (p[i].rc == RC_OK)
            continue;
        while (d->disk[spare].path[0] != '\0')
            spare++;
        memcpy(d->disk[spare].path, p[i].path, strlen(p[i].path) + 1);
    }
    d->was_virtual = cfg->virtual_clock;
    if (cfg->copies != 0 && cfg->copies != d->copies)
        return err_set(e, RC_INVALID, "this store keeps %u copies: leave --copies out, or say --copies %u", d->copies,
                       d->copies);
    return name_unnamed(d, e);
}

static enum rc open_unrecorded(struct diskset *d, const struct diskset_cfg *cfg, const struct given *g, struct err *e)
{
    struct probe *p = calloc(g->n, sizeof(*p));
    bool any = false;
    enum rc rc = p ? RC_OK : err_set(e, RC_NOMEM, "no memory");

    for (unsigned i = 0; rc == RC_OK && i < g->n; i++) {
        p[i].path = g->path[i];
        p[i].rc = identity_read(d->os, g->path[i], &p[i].id, &p[i].damaged, e);
        if (p[i].rc == RC_OK && !any)
            memcpy(d->store_uuid, p[i].id.store, UUID_SIZE);
        any = any || p[i].rc == RC_OK;
        if (p[i].rc != RC_OK && p[i].rc != RC_NOT_FOUND)
            rc = p[i].rc;
    }
    if (rc == RC_OK && !any && cfg->offline)
        rc = err_set(e, RC_NOT_FOUND, "%s holds no store: check --data; `holdfast serve` makes a new one", d->data_dir);
    if (rc == RC_OK)
        rc = any ? open_identities(d, cfg, g, p, e) : make(d, cfg, g, e);
    free(p);
    return rc;
}

static enum rc open_any(struct diskset *d, const struct diskset_cfg *cfg, struct given *g, struct err *e)
{
    enum rc rc;

    HF_TRY(given_read(cfg, g, e));
    HF_TRY(os_mkdirs(d->os, d->data_dir, e));
    rc = witness_read(d, e);
    d->witness_found = rc == RC_OK;
    if (rc == RC_OK)
        return open_recorded(d, cfg, g, e);
    if (rc != RC_NOT_FOUND && rc != RC_CORRUPT)
        return rc;
    if (g->n == 0)
        HF_TRY(given_default(d, g, e));
    return open_unrecorded(d, cfg, g, e);
}

enum rc diskset_open(struct os *os, const struct diskset_cfg *cfg, struct diskset **ret, struct err *e)
{
    struct diskset *d = calloc(1, sizeof(*d));
    struct given *g = calloc(1, sizeof(*g));
    enum rc rc = RC_NOMEM;

    if (!d || !g) {
        free(d);
        free(g);
        return err_set(e, RC_NOMEM, "no memory for the disk set");
    }
    d->os = os;
    d->confirm_epoch = cfg->confirm_epoch;
    pthread_mutex_init(&d->lock, NULL);
    rc = path_normal(cfg->data_dir, d->data_dir, e);
    if (rc == RC_OK)
        rc = open_any(d, cfg, g, e);
    free(g);
    if (rc != RC_OK) {
        diskset_free(d);
        return rc;
    }
    *ret = d;
    return RC_OK;
}

void diskset_free(struct diskset *d)
{
    if (!d)
        return;
    pthread_mutex_destroy(&d->lock);
    free(d);
}
