/* Holdfast: what the files of src/store share. Nobody else includes this.
 *
 * Locks, taken in this order and never across I/O except grow_lock and heal_lock:
 *   grow_lock     one thread at a time makes a new open volume
 *   heal_lock     one repair of a block at a time, so that two readers of one bad block do not both count it
 *   reserve_lock  (of a writer) one thread at a time allocates space
 *   sync_lock     (of a writer) group sync
 *   lock          the volume table, every volume's fields, the handle cache, the slots' folders
 *
 * A volume's life: open (a writer, takes extents) -> sealed (takes none; the writer goes with the last put) -> dropped
 * (off the table; freed by the last reader). Volumes found at start are sealed. */
#ifndef HF_STORE_STORE_PRIV_H
#define HF_STORE_STORE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "codec/codec.h"
#include "store/store.h"

#define VOLUME_HEADER_SIZE 4096u
#define EXTENT_ALIGN 4096u /* no sector of an acknowledged extent is written again by a later one */
#define RUN_BLOCKS 8u      /* blocks moved by one call: 1 MiB stays in a core's cache between hash and copy */
#define STORE_WORKERS 8u   /* when none are said */
#define FILES_CACHED_MAX 1024u
#define READ_ERRORS_MAX 8u /* read errors in a row that quarantine a disk */

#define SLOT_BIT(slot) (1u << (slot))

/* One read handle of one copy. In the cache while volume->file[slot] points to it; closed when it is neither cached
 * nor in use. */
struct vol_file {
    struct os_file *f;
    struct volume *v;
    unsigned slot;
    unsigned refs;
    bool cached;
    struct vol_file *newer, *older; /* while cached */
};

/* What only a volume that is written to needs. Lives while the volume is open or has puts in flight. */
struct writer {
    struct os_file *f[DISKS_MAX]; /* NULL: the volume has no copy there */
    uint32_t lost;                /* copies that are abandoned: never written or synced again (S3); under store.lock */
    bool spoiled;                 /* a copy is lost although its disk works (it was full); under store.lock */
    pthread_mutex_t reserve_lock;
    uint64_t reserved; /* space allocated on all copies up to here */
    pthread_mutex_t sync_lock;
    pthread_cond_t sync_cond;
    uint64_t sync_started, sync_done;
    bool syncing;
};

struct volume {
    uint64_t id;
    uint32_t slots;   /* that should hold it, from its header; when slots_known */
    uint32_t have;    /* the file is there under its final name, so it was whole when it came there */
    uint32_t checked; /* written by us, or verified, since that slot's disk joined */
    bool slots_known;
    bool sealed;
    bool dropped;
    unsigned puts;    /* extents of puts not yet freed */
    unsigned refs;    /* who holds the pointer, the table included */
    uint64_t tail;    /* end of the last reserved extent; of a volume found at start its size once known, else 0 */
    int64_t quiet_ns; /* when the last put let go of it */
    struct writer *w;
    struct vol_file *file[DISKS_MAX];
};

struct slot {
    char dir[OS_PATH_MAX / 2]; /* P/volumes */
    uint8_t disk_uuid[16];
    _Atomic unsigned read_errors; /* in a row */
    bool degraded;                /* by us, or found so: a clean scrub may take it back */
    enum disk_state state_seen;   /* when it was last compared with the disk set */
    bool taken;                   /* its volumes were listed */
};

struct store {
    struct os *os;
    struct diskset *disks;
    struct journal *journal;
    struct store_cfg cfg;
    unsigned n_slots;
    struct os_pool *pool; /* NULL with one disk */

    pthread_mutex_t grow_lock, heal_lock, lock;
    pthread_cond_t quiet; /* a volume lost its last put */
    struct slot slot[DISKS_MAX];
    _Atomic uint32_t failed; /* slots that failed here and were not replaced since */
    struct volume **volume;  /* sorted by id */
    size_t n_volumes, cap_volumes;
    struct volume *open; /* takes new extents; NULL until needed */
    struct vol_file *newest, *oldest;
    unsigned n_cached;

    _Atomic uint64_t reads, read_bytes, corrupt_found, corrupt_repaired, read_errors;
};

/* ---- store.c: slots and their failures ---- */
bool slot_usable(const struct store *s, unsigned slot);
uint32_t usable_slots(const struct store *s);
/* A write or sync failed there: no more use of the disk until it is replaced; its copies in writing are abandoned. */
void slot_failed(struct store *s, unsigned slot);
/* A read failed; many in a row mean that the disk is gone. */
void slot_read_error(struct store *s, unsigned slot);
void slot_read_good(struct store *s, unsigned slot);
void slot_degraded(struct store *s, unsigned slot);
/* Makes P/volumes when it is absent and takes note of the volumes in it. */
enum rc slot_take(struct store *s, unsigned slot, struct err *e) HF_MUST_USE;
/* Notices replaced disks. */
enum rc slots_refresh(struct store *s, struct err *e) HF_MUST_USE;
/* dst of OS_PATH_MAX: DIR/vol-ID + suffix. */
void volume_path(struct store *s, unsigned slot, uint64_t id, const char *suffix, char *dst);
void slot_dir(struct store *s, unsigned slot, char *dst);

/* ---- volume.c, header.c: the table, headers, making and sealing ---- */
/* With a reference; NULL when there is none. */
struct volume *volume_find(struct store *s, uint64_t id);
void volume_unref(struct store *s, struct volume *v);
/* s->lock held: the volume is in the table, made when needed; NULL when out of memory. No reference is taken. */
struct volume *volume_note_locked(struct store *s, uint64_t id);
void volume_forget_locked(struct store *s, struct volume *v);
size_t volume_index_locked(const struct store *s, uint64_t id, bool *ret_found);
void header_fill(const struct store *s, uint64_t id, uint32_t slots, uint8_t header[VOLUME_HEADER_SIZE]);
/* Reads slots from the headers when not known yet. */
enum rc volume_learn(struct store *s, struct volume *v, struct err *e) HF_MUST_USE;
/* A new file of the volume, not yet under its name: header written. */
enum rc volume_file_begin(struct store *s, unsigned slot, uint64_t id, uint32_t slots, struct os_file **ret,
                          struct err *e) HF_MUST_USE;
/* Syncs it and gives it its name, durably. */
enum rc volume_file_commit(struct store *s, unsigned slot, uint64_t id, struct os_file *f, struct err *e) HF_MUST_USE;
/* grow_lock held: a new open volume on the slots, in place of s->open. should: slots its header names. Adds to *full
 * the slots that had no room. */
enum rc volume_create(struct store *s, uint32_t on, uint32_t should, uint32_t *full, struct err *e) HF_MUST_USE;
void volume_seal(struct store *s, struct volume *v);
void volumes_seal_all(struct store *s);
/* s->lock held: no more extents; the writer to close with writer_close after unlocking, or NULL. */
struct writer *volume_seal_locked(struct store *s, struct volume *v);
void writer_close(struct store *s, struct writer *w);
/* One extent of a put lets go. */
void volume_put_done(struct store *s, struct volume *v);
uint64_t volume_size(struct store *s, struct volume *v);
/* All ids now in the table, ascending; the caller frees them. */
enum rc volume_ids(struct store *s, uint64_t **ret_ids, size_t *ret_n, struct err *e) HF_MUST_USE;

/* ---- file.c: cached read handles ---- */
enum rc file_get(struct store *s, struct volume *v, unsigned slot, struct vol_file **ret, struct err *e) HF_MUST_USE;
void file_put(struct store *s, struct vol_file *h);
/* s->lock held: out of the cache, closed by whoever uses it last. Returns a handle to close after unlocking. */
struct vol_file *file_evict_locked(struct store *s, struct vol_file *h);
void file_close(struct store *s, struct vol_file *h);
/* Forgets the handle of a copy that is gone. */
void volume_file_forget(struct store *s, struct volume *v, unsigned slot);

/* ---- fan.c ---- */
typedef void fan_fn(void *ctx, unsigned slot);
/* Runs fn for each slot of the set and returns when all are done: one in this thread, the others in the pool (NULL:
 * all here). */
void fan_out(struct os_pool *pool, uint32_t slots, fan_fn *fn, void *ctx);

/* ---- reserve.c, space.c ---- */
static inline uint64_t extent_blocks(uint64_t length)
{
    return (length + BLOCK_DATA_MAX - 1) / BLOCK_DATA_MAX;
}
/* Bytes in the volume, without padding. */
static inline uint64_t extent_bytes(uint64_t length)
{
    return length + extent_blocks(length) * BLOCK_HEADER_SIZE;
}
static inline uint64_t extent_end(const struct extent *x)
{
    return x->offset + (extent_bytes(x->length) + EXTENT_ALIGN - 1) / EXTENT_ALIGN * EXTENT_ALIGN;
}
static inline uint64_t block_offset(const struct extent *x, uint64_t index)
{
    return x->offset + index * (BLOCK_HEADER_SIZE + BLOCK_DATA_MAX);
}
static inline uint32_t block_data_size(const struct extent *x, uint64_t index)
{
    uint64_t rest = x->length - index * BLOCK_DATA_MAX;
    return rest < BLOCK_DATA_MAX ? (uint32_t)rest : BLOCK_DATA_MAX;
}
static inline struct block_id block_id_of(const struct extent *x, uint64_t index)
{
    return (struct block_id){x->container, block_offset(x, index), x->owner, index};
}
/* Space for one extent in the open volume, which the caller gives back with volume_put_done. */
enum rc reserve_extent(struct store *s, uint64_t bytes, struct volume **ret, uint64_t *ret_offset,
                       struct err *e) HF_MUST_USE;
/* Is there room for so many more bytes beside what must stay free? */
bool slot_has_room(struct store *s, unsigned slot, uint64_t bytes, uint64_t *ret_free);
/* `copies` slots of those usable and not full; should_ret: with slots that cannot be used now when those are too few.
 */
enum rc place(struct store *s, uint64_t bytes, uint32_t full, uint32_t *ret_on, uint32_t *ret_should,
              struct err *e) HF_MUST_USE;
/* Copies of the volume that are to be written now; those on disks that others found dead are given up here. */
uint32_t writer_slots(struct store *s, struct volume *v);
/* spoiled: the disk itself stays in use, so puts that wrote to this volume must fail. */
void writer_lost(struct store *s, struct volume *v, unsigned slot, bool spoiled);
/* What a failed write or sync of a copy means: RC_FULL and RC_NOMEM say nothing about the disk. */
static inline bool rc_blames_disk(enum rc rc)
{
    return rc != RC_OK && rc != RC_FULL && rc != RC_NOMEM && rc != RC_LIMIT && rc != RC_CANCELLED;
}

/* ---- block_io.c, heal.c ---- */
struct run {
    uint8_t header[RUN_BLOCKS][BLOCK_HEADER_SIZE];
    uint8_t *data; /* the blocks' data one behind another */
    uint32_t bad;  /* bit i: block i did not verify */
};
/* Reads n <= RUN_BLOCKS blocks of x from index on and verifies each in place. */
enum rc blocks_read(struct os *os, struct os_file *f, const struct extent *x, uint64_t index, unsigned n,
                    struct run *run, struct err *e) HF_MUST_USE;
/* Writes those that are not bad, with the headers that were verified. */
enum rc blocks_write(struct os *os, struct os_file *f, const struct extent *x, uint64_t index, unsigned n,
                     const struct run *run, struct err *e) HF_MUST_USE;
uint64_t blocks_data_bytes(const struct extent *x, uint64_t index, unsigned n);

/* A block that did not come whole from `suspect` (DISKS_MAX: no slot was tried). */
struct recovery {
    unsigned suspect;
    uint32_t heal;    /* in: slots that may be repaired */
    uint32_t damaged; /* out: slots whose copy was wrong or unreadable, twice */
    uint32_t healed;  /* out: of these, written again and read back */
    uint8_t header[BLOCK_HEADER_SIZE];
};
/* Tries every copy (the suspect once more, first), fills data, repairs. RC_CORRUPT: no copy is whole; RC_IO: none could
 * be read; RC_UNAVAILABLE: the disks that may have it are absent. */
enum rc block_recover(struct store *s, struct volume *v, const struct extent *x, uint64_t index, uint8_t *data,
                      struct recovery *r, struct err *e) HF_MUST_USE;
/* The slot with the copy that this extent is read from by preference; DISKS_MAX: none. */
unsigned slot_to_read(struct store *s, struct volume *v, const struct extent *x, uint32_t except);

/* ---- live.c, pace.c, copy_scrub.c, copy_make.c ---- */
struct extent_list {
    struct extent *x;
    size_t n, cap;
};
/* One scrub or heal at work; shared by its threads. */
struct scrub_work {
    struct store *s;
    const struct scrub_pace *pace; /* NULL: full speed */
    unsigned share;                /* threads that share the pace */
    bool list_is_fresh;            /* live extents are asked for after the volume went quiet, not before */
    int64_t began_ns;
    pthread_mutex_t lock; /* the pace's callbacks are never called by two threads at once */
    pthread_cond_t never; /* to wait on for a time */
    bool stopped;
    uint64_t done_bytes, total_bytes;
    _Atomic uint32_t unhealed; /* slots on which something was left as it was */
};
void scrub_work_init(struct scrub_work *k, struct store *s, const struct scrub_pace *pace);
void scrub_work_done(struct scrub_work *k);
/* Says how far it is and waits as the pace says; RC_CANCELLED when it says stop. */
enum rc scrub_tick(struct scrub_work *k, uint64_t bytes) HF_MUST_USE;
/* Verifies one copy of a volume against its live extents and heals it; makes it when the disk lacks it. */
enum rc copy_scrub(struct scrub_work *k, struct volume *v, unsigned slot, const struct extent_list *live,
                   struct scrub_count *c, struct err *e) HF_MUST_USE;
/* Makes the copy that the slot lacks. */
enum rc copy_make(struct scrub_work *k, struct volume *v, unsigned slot, const struct extent_list *live,
                  struct scrub_count *c, struct err *e) HF_MUST_USE;
/* The live extents, one ahead. */
struct live_cursor {
    const struct extent_source *source;
    struct extent ahead;
    bool has;
    uint64_t at, at_offset; /* order is checked: a source out of order would leave extents out */
};
/* To the first extent, then to the next one; has = false at the end. */
enum rc live_next(struct live_cursor *u, struct err *e) HF_MUST_USE;
/* Those of one volume, which is the next one or has none. */
enum rc live_collect(struct live_cursor *u, uint64_t id, struct extent_list *ret, struct err *e) HF_MUST_USE;
uint64_t live_blocks(const struct extent_list *l);
enum rc extent_list_add(struct extent_list *l, const struct extent *x) HF_MUST_USE;
static inline unsigned run_at(const struct extent *x, uint64_t index)
{
    uint64_t left = extent_blocks(x->length) - index;
    return left < RUN_BLOCKS ? (unsigned)left : RUN_BLOCKS;
}

#endif
