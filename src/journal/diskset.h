/* Holdfast: which disks belong to this store, in which state, and the witness that stops two histories.
 *
 * A disk is a directory, normally a mount point. It takes a slot (0, 1, …); bodies are placed on slots, so a new disk
 * in an old slot takes over what the slot held. On each disk a file `identity` holds (eight times, each with its
 * checksum, so that flipped bytes are healed from another): format, store uuid, disk uuid, slot, copies. In the
 * data folder `witness` holds: store uuid, copies, epoch, acknowledged mark, and per slot path, disk uuid, state and
 * whether it holds the whole journal; it is replaced atomically. Paths below the data folder are kept relative to it,
 * so the folder may be moved; a disk is known by its uuid, so a disk that is mounted elsewhere is found by --disk. On
 * disks: P/identity, P/journal/, P/volumes/, P/keystore.
 *
 * Rules (invariants; tests/unit/test_diskset.c, test_journal.c):
 *  D1 a disk without an identity is only taken when the store is new or by `disk replace`; a directory that
 *     should carry one and does not (an empty mount point) is `missing`, and nothing is written to it.
 *  D2 a disk with another store's identity is refused.
 *  D3 the recorded set rules: a --disk that is not in it is an error that says which command changes the set.
 *  D4 an epoch change is durable in the witness and on every surviving member before anything more is acknowledged.
 *  D5 a start with fewer members than recorded writes only if the witness, or the operator, confirms the newest epoch.
 * Threads: states may be read from any thread; changes are made by the journal (epochs) under its own lock. */
#ifndef HF_JOURNAL_DISKSET_H
#define HF_JOURNAL_DISKSET_H

#include <pthread.h>

#include "os/os.h"

#define DISKS_MAX 16
#define JOURNAL_MEMBERS_MAX 3 /* the journal is on the first so many slots */

enum disk_state {
    DISK_OK,
    DISK_DEGRADED,    /* works, but something on it is known to be damaged or not yet copied back */
    DISK_MISSING,     /* absent, or without its identity */
    DISK_REBUILDING,  /* present and written to; old data is being copied to it */
    DISK_QUARANTINED, /* an I/O error: not used until replaced or restarted healthy */
};
const char *disk_state_name(enum disk_state s); /* "ok", "degraded", … */

struct disk {
    char path[OS_PATH_MAX / 4];
    uint8_t uuid[16];
    unsigned slot;
    _Atomic enum disk_state state;
    _Atomic bool journal_whole; /* a journal member that holds all of it: it may be believed alone (D5) */
    _Atomic uint64_t bytes_used;
};

struct diskset {
    struct os *os;
    char data_dir[OS_PATH_MAX / 4];
    uint8_t store_uuid[16];
    unsigned copies;
    unsigned n;
    struct disk disk[DISKS_MAX];
    uint64_t epoch; /* newest epoch the witness knows; 0: the journal was never begun */
    uint64_t acked; /* the witness's mark: every whole member holds the journal at least up to here */
    bool witness_found;
    bool fresh;           /* the store was made by this open */
    bool making;          /* its identities are not all written yet: a crash now is finished by the next open */
    bool was_virtual;     /* the folder was once driven by a virtual clock */
    bool confirm_epoch;   /* the operator confirmed the newest epoch at this open */
    pthread_mutex_t lock; /* one witness is written at a time */
};

struct diskset_cfg {
    const char *data_dir;     /* made when absent */
    const char *const *paths; /* --disk; none: as recorded, or DATA/disk1 and DATA/disk2 for a new store */
    unsigned n_paths;
    unsigned copies;    /* 0 = as recorded, or 2 for a new store; 1 with one disk must be said aloud */
    bool virtual_clock; /* marks the folder for good */
    bool offline; /* nothing is served (rebuild): a marked folder may be opened without virtual_clock, and where there
                     is no store none is made (RC_NOT_FOUND) */
    bool confirm_epoch; /* the operator confirms the newest epoch (D5) */
};
/* Opens or makes the set. RC_INVALID for a disagreement with what is recorded, RC_UNAVAILABLE when a marked folder is
 * to be served in real time; err names the fix. The caller frees with diskset_free. */
enum rc diskset_open(struct os *os, const struct diskset_cfg *cfg, struct diskset **ret, struct err *e) HF_MUST_USE;
void diskset_free(struct diskset *d);
/* Writes the witness with the present epoch and states, durably. */
enum rc diskset_witness(struct diskset *d, struct err *e) HF_MUST_USE;
/* Usable for reads (ok, degraded, rebuilding) and for writes (the same). */
bool disk_usable(const struct disk *k);
/* The new directory takes over the slot of the old path: identity made, witness written; state becomes rebuilding.
 * RC_NOT_FOUND when old is no member, RC_EXISTS when new already carries an identity, RC_CONFLICT when new is a member
 * or when nothing would be left to copy from. Then call journal_join. */
enum rc diskset_replace(struct diskset *d, const char *old_path, const char *new_path, unsigned *ret_slot,
                        struct err *e) HF_MUST_USE;
/* Re-reads and heals the identities of usable disks. Adds to the counters. */
enum rc diskset_scrub(struct diskset *d, uint64_t *corrupt, uint64_t *repaired, struct err *e) HF_MUST_USE;

#endif
