/* Holdfast: what the files of the journal share.
 *
 * Life of a segment, and the function of each transition:
 *
 *   spare ──segment_roll──▶ active ──segment_roll (seal)──▶ sealed ──keeper (trim)──▶ sealed, cut to its end
 *     ▲ keeper                ▲ recover (walk, copy, wipe)    ├──journal_punch──▶ sealed, attachments gone
 *     └ "spare.tmp"           └ begin/stage/commit            └──heal_copy──▶ on one more member
 *
 * Life of a member:
 *
 *   absent/stale ──journal_join──▶ in the epoch, not whole ──journal_heal_step──▶ in the epoch, whole
 *        ▲                               │                                            │
 *        └────── epoch_settle ◀── member_fault (any thread) or journal_expel ◀────────┘
 *
 * Locks, in the order in which they may be taken: heal_lock (one heal, scrub or punch at a time), epoch_lock (witness
 * and the disks' states), keeper.lock, lock (index of segments, durable root, fault), files.lock. */
#ifndef HF_JOURNAL_JOURNAL_PRIV_H
#define HF_JOURNAL_JOURNAL_PRIV_H

#include <pthread.h>
#include <semaphore.h>

#include "journal/format_priv.h"

#define SEG_NAME_MAX 40
#define JOURNAL_SPARE "spare"
#define JOURNAL_SPARE_TMP "spare.tmp"
#define PUNCHED_SUFFIX ".punched"
#define SEG_MIN_DEFAULT (4ull << 20)
#define SEG_MAX_DEFAULT (64ull << 20)
/* Kept at a segment's end for what cannot wait: an epoch record for each member that may fail during one commit
 * (JOURNAL_MEMBERS_MAX - 1), and the seal. One more for an epoch that begins outside a commit. */
#define TAIL_RESERVE ((JOURNAL_MEMBERS_MAX + 1) * BATCH_ALIGN)
#define TRIM_MAX 8

struct member;
typedef enum rc member_fn(struct journal *j, struct member *m, void *ctx, struct err *e);

/* A thread that does one member's part of a write while the sequencer does another's. */
struct worker {
    pthread_t thread;
    bool on, stop;
    sem_t go, done;
    member_fn *fn;
    void *ctx;
    enum rc rc;
    struct err err;
};

/* One disk that carries the journal. */
struct member {
    struct journal *j;
    unsigned slot;
    struct disk *disk;
    char dir[OS_PATH_MAX / 2]; /* P/journal. Changes in journal_join only, under files.lock */
    uint64_t generation;       /* of dir, under files.lock */
    uint8_t uuid[16];          /* of the disk that dir is on */
    _Atomic bool in_epoch;     /* takes appends */
    _Atomic bool failed;       /* an I/O error: takes nothing more; the sequencer makes the epoch without it */
    struct os_file *active;    /* sequencer's */
    uint64_t spare_size;       /* 0 = none; under keeper.lock */
    struct worker worker;
};

struct seg {
    uint64_t first, end, size; /* end 0: active */
    uint8_t have;              /* bit per slot: that member has it (when sealed: whole) */
    bool punched;
};

/* A batch in the making. Its place is fixed when it is placed. */
struct batch_frame {
    uint8_t bytes[ATTACH_ALIGN + BLOCK_HEADER_SIZE]; /* zeros up to the block's alignment, then its header */
};
struct batch {
    bool open;
    uint64_t off, room; /* in the active segment; how much it may take there */
    uint64_t first_seq;
    int64_t last_time;
    uint32_t count, attach_size, records_size;
    uint8_t header[BATCH_HEADER_SIZE];
    uint8_t *records; /* `cap` bytes and one BATCH_ALIGN for the padding: does not move while the batch is open */
    uint32_t cap;
    struct batch_frame *frames;
    struct iovec *iov;
    unsigned n_iov, frames_max;
    struct tree tree; /* after what was staged */
    uint8_t salts[64 * SALT_SIZE];
    unsigned salts_left;
};

/* The thread that zeroes spares and trims sealed segments, so that the commit path need not. */
struct keeper {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    pthread_t thread;
    bool on, stop;
    bool full;                /* the last round found no space for a spare */
    unsigned joining;         /* members that need a spare before they are in the epoch */
    uint64_t need;            /* least size of a spare that is asked for */
    uint64_t asked, finished; /* rounds */
    struct {
        uint64_t first, end;
    } trim[TRIM_MAX];
    unsigned n_trim;
};

/* Open segment files for reading, shared by all readers. */
#define FILES_SETS 64
#define FILES_WAYS 4
struct file_slot {
    uint64_t first, stamp;
    unsigned slot, refs;
    bool dead; /* the path means another file by now */
    struct os_file *f;
};
struct files {
    pthread_mutex_t lock;
    uint64_t clock;
    struct file_slot v[FILES_SETS * FILES_WAYS];
};
struct file_ref {
    struct os_file *f;
    struct file_slot *in; /* NULL: private */
};

/* One batch as it should be, put together from what each member has of it. */
struct image_range {
    uint32_t off, n;
};
struct image_side {
    uint8_t *bytes;
    size_t cap;
    bool readable; /* no I/O error */
    bool holds;    /* header and records verify and are the ones expected */
    struct batch_head head;
};
struct image {
    struct journal *j;
    uint64_t seg, off;
    unsigned mask; /* members that were read */
    uint8_t *bytes;
    size_t cap;
    struct batch_head head;
    struct image_side side[JOURNAL_MEMBERS_MAX];
    struct image_range *hole; /* attachments that nobody has whole, or that were punched */
    unsigned n_holes;
    bool diverged;        /* two members hold different whole batches of one epoch here */
    uint64_t damaged_seq; /* of the first hole that is damage */
    unsigned n_damaged, n_attach;
};
struct image_expect {
    uint64_t first_seq;  /* 0 = any */
    const uint8_t *head; /* NULL = any */
};

struct journal {
    struct os *os;
    struct diskset *set;
    uint64_t seg_min, seg_max;
    bool single_thread;
    unsigned n_members;
    struct member member[JOURNAL_MEMBERS_MAX];

    /* the sequencer's */
    struct batch main, own; /* own: one epoch record */
    struct tree tree;
    uint8_t root[HASH_SIZE]; /* of tree */
    uint64_t next_seq;
    struct {
        uint64_t first, size, off, prev_first, prev_end;
        bool sealed; /* a seal stands at its end: only segment_roll may follow */
    } cur;
    bool dead;

    _Atomic uint64_t durable, epoch, bytes_sealed, tail_off;
    _Atomic int64_t last_time;

    pthread_mutex_t lock;
    pthread_cond_t moved; /* durable moved, closing, or a waiter left */
    struct seg *segs;     /* by first; the last is the active one */
    size_t n_segs, cap_segs;
    uint8_t durable_root[HASH_SIZE];
    uint64_t durable_n, tail_seg;
    unsigned waiters;
    bool closing;
    struct err fault;

    pthread_mutex_t epoch_lock, heal_lock;
    struct image image; /* under heal_lock */
    struct keeper keeper;
    struct files files;
};

/* ---- member.c ---- */
void member_init(struct journal *j, unsigned slot);
/* Takes dir and uuid anew from the disk set. */
void member_rehome(struct member *m);
/* Any thread: this member takes nothing more. */
void member_fault(struct member *m, const struct err *why);
unsigned members_live(const struct journal *j);  /* in the epoch and not failed */
unsigned members_whole(const struct journal *j); /* of those: holding everything */
/* fn on each member of the mask, in parallel. A failure is member_fault. Returns those that succeeded. */
unsigned members_run(struct journal *j, unsigned mask, member_fn *fn, void *ctx);
enum rc workers_start(struct journal *j, struct err *e) HF_MUST_USE;
void workers_stop(struct journal *j);

/* ---- files.c ---- */
/* Name of a segment's file, and its path on a member. */
void seg_name(uint64_t first, char dst[SEG_NAME_MAX]);
bool seg_path(struct member *m, uint64_t first, const char *suffix, char dst[OS_PATH_MAX]);
bool member_path(struct member *m, const char *name, char dst[OS_PATH_MAX]);
enum rc files_get(struct journal *j, unsigned slot, uint64_t first, struct file_ref *ret, struct err *e) HF_MUST_USE;
void files_put(struct journal *j, struct file_ref *r);
/* The member's segment (first 0: all of its segments) is another file from now on. */
void files_drop(struct journal *j, unsigned slot, uint64_t first);
void files_free(struct journal *j);
/* Removes it if it can: what cannot be removed is written over by the next attempt. */
void file_forget(struct os *os, const char *path);
/* n bytes at off; what lies past the file's end reads as zero. */
enum rc read_padded(struct os *os, struct os_file *f, void *dst, size_t n, uint64_t off, struct err *e) HF_MUST_USE;

/* ---- index.c: the segments that there are ---- */
enum rc index_add(struct journal *j, const struct seg *s, struct err *e) HF_MUST_USE;
/* The segment with this first sequence; false when there is none. */
bool index_get(struct journal *j, uint64_t first, struct seg *ret);
/* The i-th; false past the end. */
bool index_at(struct journal *j, size_t i, struct seg *ret);
/* The one that holds (or will hold) seq. */
bool index_find(struct journal *j, uint64_t seq, struct seg *ret);
void index_have(struct journal *j, uint64_t first, unsigned slot, bool have);
void index_punched(struct journal *j, uint64_t first);

/* ---- batch.c ---- */
enum rc batch_init(struct batch *b, uint32_t cap, unsigned attach_max, struct err *e) HF_MUST_USE;
/* Room for records of a batch that is not open. */
enum rc batch_grow(struct batch *b, uint64_t cap, struct err *e) HF_MUST_USE;
void batch_free(struct batch *b);
/* At the journal's end, as long as the active segment allows with `reserve` left free. */
void batch_place(struct journal *j, struct batch *b, uint64_t reserve);
/* RC_LIMIT: it does not fit in. */
enum rc batch_stage(struct journal *j, struct batch *b, enum rec_type type, int64_t time_ns, struct view payload,
                    struct view attach, struct journal_rec *ret) HF_MUST_USE;
uint64_t batch_need(struct view payload, struct view attach);
/* Writes it to all live members. RC_OK: a whole member has it; others may have failed. */
enum rc batch_append(struct journal *j, struct batch *b, struct err *e) HF_MUST_USE;

/* ---- segment.c ---- */
/* Seals the active segment (unless it is empty or sealed) and goes on in a new one with room for a batch of `need`.
 * RC_FULL: there is no space for it; nothing changed. Members that fail are left to epoch_settle. */
enum rc segment_roll(struct journal *j, uint64_t need, struct err *e) HF_MUST_USE;
/* Room for a batch in the active segment, the reserve apart. */
uint64_t segment_room(const struct journal *j);

/* ---- keeper.c ---- */
enum rc keeper_start(struct journal *j, struct err *e) HF_MUST_USE;
void keeper_stop(struct journal *j);
/* All live and joining members have a spare of at least `need` bytes (or have failed); RC_FULL. */
enum rc keeper_wait(struct journal *j, uint64_t need, struct err *e) HF_MUST_USE;
/* Returns when no round that began before is still running. */
void keeper_idle(struct journal *j);
/* A round is wanted, now or soon. */
void keeper_kick(struct journal *j);
void keeper_trim(struct journal *j, uint64_t first, uint64_t end);
bool keeper_full(struct journal *j);
/* Finds a spare that an earlier run left. */
void keeper_adopt(struct journal *j, struct member *m);
enum rc zero_range(struct os *os, struct os_file *f, uint64_t off, uint64_t end, struct err *e) HF_MUST_USE;

/* ---- epoch.c ---- */
enum rc journal_die(struct journal *j, struct err *e);
void table_of_set(const struct diskset *set, struct disk_table *ret);
/* A new epoch with the disks as they are now. */
enum rc epoch_begin(struct journal *j, struct err *e) HF_MUST_USE;
/* Epochs without the members that failed, until none has failed since. */
enum rc epoch_settle(struct journal *j, struct err *e) HF_MUST_USE;
/* Epoch 1 of a new journal: the record first, the witness last. */
enum rc epoch_first(struct journal *j, struct err *e) HF_MUST_USE;
/* What was appended is durable on every current member: readers may have it. */
void journal_publish(struct journal *j);

/* ---- image.c ---- */
enum rc image_init(struct image *im, struct journal *j, struct err *e) HF_MUST_USE;
void image_free(struct image *im);
/* RC_CORRUPT: no member of the mask has header and records. Attachments that nobody has become holes. */
enum rc image_read(struct image *im, unsigned mask, uint64_t seg, uint64_t off, uint64_t limit, bool punched,
                   const struct image_expect *x, struct err *e) HF_MUST_USE;
/* Members of the mask whose bytes are not the image's. */
unsigned image_differs(const struct image *im, unsigned mask);
/* Writes it where it differs, syncs, reads back. Returns those that are right now; the others have failed. */
unsigned image_fix(struct image *im, unsigned mask);
const uint8_t *image_records(const struct image *im);
/* The next batch of this segment that verifies, at or after `off`, on any member of the mask. RC_END: none. */
enum rc image_find(struct image *im, unsigned mask, uint64_t seg, uint64_t off, uint64_t limit, uint64_t after_seq,
                   struct batch_head *ret, struct err *e) HF_MUST_USE;

/* ---- heal.c ---- */
/* Copies a segment to a member from those of the mask; end 0: up to `end_active`, then zeros up to its size. */
enum rc heal_copy(struct journal *j, struct image *im, const struct seg *s, uint64_t end_active, unsigned from,
                  struct member *to, struct err *e) HF_MUST_USE;
/* The member's file is the same sealed segment as that of `like`. */
bool heal_same(struct journal *j, const struct seg *s, struct member *m, struct member *like);
/* A sidecar says, before the first hole, that a segment is punched: whoever finds zeros knows why. */
enum rc punched_mark(struct journal *j, struct member *m, uint64_t first, struct err *e) HF_MUST_USE;

/* ---- scan.c: what stands on the disks at open ---- */
struct found_file {
    bool exists, holds, punched; /* holds: its header verifies */
    uint64_t file_size, epoch, size, prev_first, prev_end;
    uint8_t sum[XXH_SIZE];
};
struct found {
    uint64_t first;
    struct found_file on[JOURNAL_MEMBERS_MAX];
};
/* What one member says by itself. */
struct claim {
    bool any;
    uint64_t last_seq;
    struct disk_table table; /* of the newest epoch it knows */
};
struct scan {
    struct found *v; /* by first */
    size_t n, cap;
    unsigned present; /* members that could be listed */
    struct claim claim[JOURNAL_MEMBERS_MAX];
};
enum rc scan_disks(struct journal *j, struct scan *s, struct err *e) HF_MUST_USE;
void scan_free(struct scan *s);
/* Reads and decodes a header from one member. */
enum rc scan_head(struct journal *j, unsigned slot, uint64_t first, uint8_t bytes[SEG_HEADER_SIZE],
                  struct seg_head *ret, struct err *e) HF_MUST_USE;

/* ---- authority.c ---- */
struct authority {
    unsigned trusted; /* present members that hold everything acknowledged */
    bool create;      /* the journal was never begun */
    bool changed;     /* a new epoch is due */
    uint64_t epoch;   /* the newest known */
};
enum rc authority_decide(struct journal *j, const struct scan *s, struct authority *ret, struct err *e) HF_MUST_USE;

/* ---- recover.c, walk.c ---- */
enum rc recover(struct journal *j, const struct scan *s, struct authority *a, struct journal_report *r,
                struct err *e) HF_MUST_USE;
/* The seal that a segment must have, from the header of the one after it. */
void seal_expected(const struct journal *j, uint64_t first, const struct seg_head *after, uint8_t dst[BATCH_ALIGN]);
bool seal_holds(const struct journal *j, uint64_t first, const struct seg_head *after, const uint8_t *src);

/* ---- join.c ---- */
/* Removes what the member has and we do not, and finds out which of our sealed segments it has. */
enum rc join_sweep(struct journal *j, struct member *m, struct err *e) HF_MUST_USE;
/* Takes the last segment from its header to the end of its history on the trusted members, which are equal after. */
enum rc walk_tail(struct journal *j, unsigned trusted, unsigned others, uint64_t first, struct journal_report *r,
                  struct err *e) HF_MUST_USE;
/* Makes the bytes of [off, off + n) on the members of the mask equal to `bytes`. Failures are member_fault. */
void repair_bytes(struct journal *j, unsigned mask, uint64_t first, uint64_t off, const uint8_t *bytes, size_t n);

#endif
