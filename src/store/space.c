/* Holdfast store: room on disks: choosing where a volume goes, and what the disks hold. */
#include "store/store_priv.h"

/* Kept free for what must always be possible, such as the record and the index of a delete: the smaller of these. */
#define HEADROOM_DIVISOR 100u
#define HEADROOM_MAX (64ull << 20)

bool slot_has_room(struct store *s, unsigned slot, uint64_t bytes, uint64_t *ret_free)
{
    char dir[OS_PATH_MAX];
    struct os_space space;
    slot_dir(s, slot, dir);
    if (os_space(s->os, dir, &space, NULL) != RC_OK) {
        *ret_free = 0; /* writing will tell what is the matter */
        return true;
    }
    uint64_t headroom = space.total_bytes / HEADROOM_DIVISOR;
    if (headroom > HEADROOM_MAX)
        headroom = HEADROOM_MAX;
    *ret_free = space.free_bytes;
    return space.free_bytes >= headroom && space.free_bytes - headroom >= bytes;
}

/* The slot with most room of the set. */
static unsigned roomiest(uint32_t set, const uint64_t *room)
{
    unsigned best = DISKS_MAX;
    for (unsigned i = 0; i < DISKS_MAX; i++)
        if ((set & SLOT_BIT(i)) && (best == DISKS_MAX || room[i] > room[best]))
            best = i;
    return best;
}

enum rc place(struct store *s, uint64_t bytes, uint32_t full, uint32_t *ret_on, uint32_t *ret_should, struct err *e)
{
    uint64_t room[DISKS_MAX] = {0};
    uint32_t usable = usable_slots(s), fit = 0, on = 0;
    unsigned n_usable = (unsigned)__builtin_popcount(usable);
    if (n_usable == 0)
        return err_set(e, RC_UNAVAILABLE, "no disk is left to write to; replace or repair one");
    unsigned n = n_usable < s->disks->copies ? n_usable : s->disks->copies;
    for (unsigned i = 0; i < s->n_slots; i++)
        if ((usable & ~full & SLOT_BIT(i)) && slot_has_room(s, i, bytes, &room[i]))
            fit |= SLOT_BIT(i);
    if ((unsigned)__builtin_popcount(fit) < n)
        return err_set(e, RC_FULL, "%d of %u disks have room for %llu more bytes and %u are needed; add space",
                       __builtin_popcount(fit), n_usable, (unsigned long long)bytes, n);
    while ((unsigned)__builtin_popcount(on) < n) {
        unsigned i = roomiest(fit & ~on, room);
        on |= SLOT_BIT(i);
    }
    uint32_t should = on;
    for (unsigned i = 0; i < s->n_slots && (unsigned)__builtin_popcount(should) < s->disks->copies; i++)
        if (!(usable & SLOT_BIT(i)))
            should |= SLOT_BIT(i); /* it gets its copy when the disk is replaced */
    *ret_on = on;
    *ret_should = should;
    return RC_OK;
}

/* ---- what a disk holds ---- */

struct usage {
    struct store *s;
    char dir[OS_PATH_MAX];
    struct usage *sub; /* where the files of folders are added up; NULL one level down */
    uint64_t bytes;
};

static enum rc add_entry(void *ctx, const char *name, bool is_dir)
{
    struct usage *u = ctx;
    char path[OS_PATH_MAX];
    struct os_stat st;
    if (!os_path(path, u->dir, name))
        return RC_OK;
    if (!is_dir) {
        if (os_stat(u->s->os, path, &st, NULL) == RC_OK) /* else it went meanwhile */
            u->bytes += st.allocated_bytes;
        return RC_OK;
    }
    if (!u->sub)
        return RC_OK;
    HF_ASSERT(view_copy(view_cstr(path), u->sub->dir, sizeof u->sub->dir));
    return os_list(u->s->os, path, add_entry, u->sub, NULL);
}

void store_account_space(struct store *s)
{
    for (unsigned i = 0; i < s->n_slots; i++) {
        struct disk *disk = &s->disks->disk[i];
        struct usage files = {.s = s}, top = {.s = s, .sub = &files};
        if (!slot_usable(s, i))
            continue;
        HF_ASSERT(view_copy(view_cstr(disk->path), top.dir, sizeof top.dir));
        if (os_list(s->os, top.dir, add_entry, &top, NULL) == RC_OK)
            atomic_store(&disk->bytes_used, top.bytes + files.bytes);
    }
}
