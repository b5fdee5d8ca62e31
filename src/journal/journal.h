/* Holdfast: the journal. Append-only, ordered by sequence, group-committed, on up to three disks, hashed into an RFC
 * 6962 tree. It alone decides what happened (DESIGN §1).
 *
 * On disk. P/journal/seg-%016x, named by first sequence. A segment is reserved ahead and reads as zeros (its size grows
 * from 4 MiB to 64 MiB with the journal, so small folders stay small; a record that is larger gets a larger one); one
 * spare is always kept ahead. When there is no space for it, the journal is full: what is left of the active segment
 * (and a spare that is there) is for records that must be kept: delete, top-up, tick, epoch (fault 2). A segment begins
 * with a 4096-byte header: magic "HFJ1", format, store uuid, epoch, first sequence, size, the previous segment's first
 * sequence and end offset, time of the last record before it, the disks as the epoch knows them, the tree's frontier
 * before the first record (its peaks, RFC 6962 §2.1), XXH3-128 of it all. Then batches, each at a multiple of 4096, so
 * that no append rewrites an acknowledged byte (repairs do, from a copy that verifies): batch header, 128 bytes: magic
 * "HFJB", format, flags (SEAL: last one, no records), epoch, segment, offset, first sequence, record count, total size,
 * size of the attachments, size of the records, tree head (RFC 6962 root over all sequences before the first), XXH3-128
 * over header and records region attachments: one block (journal/block.h) per record that carries a small body, 64-byte
 * aligned records: each a 96-byte header, then its payload, 8-byte aligned. Record header: u64 sequence, i64 time_ns,
 * u16 type, u8 format, u8 cipher, u32 key_id, u32 payload size, u32 attachment data size, u32 attachment offset from
 * the batch's start, u32 zero, 16 bytes salt, 32 bytes SHA-256(salt || payload), 8 bytes zero. The tree's leaf is
 * SHA-256(0x00 || record header), so a payload can be erased while every proof still holds.
 *   zeros up to the next multiple of 4096.
 *   An empty file seg-%016x.punched beside a sealed segment says that its attachments were given back.
 *
 * The first record of a new journal is REC_EPOCH (sequence 1), and one stands wherever the members change.
 *
 * Invariants (tests/unit/test_journal.c, test_journal_crash.c, test_journal_fault.c):
 *  J1 journal_commit returns RC_OK only when the batch is durable on every current member
 *     [power_cut_at_every_step_*]
 *  J2 a member whose write or sync failed is abandoned, never retried; a new epoch without it is durable on the
 *     survivors and the witness before the commit returns [any_call_failing_*, a_crash_at_any_step_of_an_epoch_*]
 *  J3 no reader passes the mark up to which all members are durable [reader_stops_at_durable]
 *  J4 a tail is cut only if no member holds it; damage in the middle is repaired from another member, and if none has
 *     it the journal refuses to open and says which sequences [any_byte_flipped_*, damage_in_the_middle_*]
 *  J5 recovery takes the longest valid history of the newest epoch, copies it to all members, syncs, and only then
 *     lets readers run
 *  J6 sequences start at 1 and have no gaps; record times never go back
 * A body (attachment) that no member has whole does not stop the journal: whoever reads it gets RC_CORRUPT.
 *
 * Threads: begin/stage/commit and epoch changes are one thread's (the sequencer). Readers, journal_wait and heads: any.
 * Memory: bounded by one batch (JOURNAL_BATCH_MAX), one batch per member for repairs, and one reader buffer each. */
#ifndef HF_JOURNAL_JOURNAL_H
#define HF_JOURNAL_JOURNAL_H

#include "journal/block.h"
#include "journal/diskset.h"

#define JOURNAL_PAYLOAD_MAX (4u << 20)
#define JOURNAL_ATTACH_MAX BLOCK_DATA_MAX
#define JOURNAL_BATCH_MAX (8u << 20)
#define JOURNAL_BATCH_RECORDS_MAX 1024u
#define HASH_SIZE 32

/* Numbers on disk: never reuse one. The payload of each is described by the room that writes it. */
enum rec_type {
    REC_EPOCH = 1,   /* journal: members and state */
    REC_TICK = 2,    /* sequence: business time has reached this instant; empty payload, time_ns is it */
    REC_BUCKET = 10, /* catalog/record.h, 10..39: bucket created */
    REC_BUCKET_DELETE = 11,
    REC_BUCKET_SET = 12, /* versioning, tags */
    REC_OBJECT = 13,     /* a version was put (also by copy and CompleteMultipartUpload) */
    REC_DELETE = 14,     /* a delete marker, or a version or null version removed */
    REC_OBJECT_SET = 15, /* tags of a version */
    REC_UPLOAD = 16,     /* multipart upload begun */
    REC_PART = 17,
    REC_UPLOAD_ABORT = 18,
    REC_RECLAIM = 19, /* space of dead bodies was freed: volumes dropped, segments' attachments punched */
    REC_ACCOUNT = 40, /* account/record.h, 40..69: account created */
    REC_TOPUP = 41,
    REC_KEY = 42, /* access key made (never the secret) */
    REC_KEY_REVOKE = 43,
    REC_USAGE = 44,   /* per-minute sums of reads and of refused requests */
    REC_STAGE = 45,   /* an account's arrears stage changed */
    REC_PRICES = 46,  /* a price book, a timetable or exchange rates were loaded */
    REC_MONEY = 47,   /* voucher, resource pack, reservation, refund, charge */
    REC_BALANCE = 48, /* what an account at a cloud has, said by hand or an importer */
    REC_GRACE = 49,   /* a grace was granted, with its proof */
    REC_DUE = 50,     /* a charge that is known to come */
    REC_BUDGET = 51,  /* a step of a budget: request, review, allocation, close, threshold passed */
    REC_QUOTA = 52,
    REC_ACCOUNT_SET = 53, /* credit limit, late fee, age limit of a balance, price book, timetable */
};

struct attach_loc {
    uint64_t segment; /* first sequence of the segment, 0 = no attachment */
    uint64_t offset;  /* of the block header in the segment's file */
    uint32_t size;    /* bytes of data */
};
struct journal_rec {
    uint64_t seq;
    int64_t time_ns; /* business time */
    enum rec_type type;
    struct view payload; /* borrowed: until the next call on the reader, or until commit/abandon */
    struct attach_loc attach;
};

struct journal;
struct journal_cfg {
    uint64_t segment_min_bytes, segment_max_bytes; /* 0 = 4 MiB, 64 MiB */
    bool single_thread; /* no threads of its own: everything in the caller's, so that a test repeats step by step */
};
struct journal_report { /* what recovery found and did */
    uint64_t last_seq;
    uint64_t cut_batches;    /* torn tails that no member held whole */
    uint64_t copied_batches; /* to members that lacked them */
    uint64_t repaired_segments;
    uint64_t stale_members; /* came back with an older epoch */
};
enum rc journal_open(struct os *os, struct diskset *disks, const struct journal_cfg *cfg, struct journal **ret,
                     struct journal_report *ret_report, struct err *e) HF_MUST_USE;
/* Seals nothing; what was not committed is gone. Ends waits that have begun (journal_wait); readers must be closed. */
void journal_close(struct journal *j);

/* One batch: begin, stage each record, commit. `urgent` may use the reserved spare when the disks are full; without it
 * begin answers RC_FULL then. RC_UNAVAILABLE: no member is left to write to. */
enum rc journal_begin(struct journal *j, bool urgent, struct err *e) HF_MUST_USE;
/* Assigns sequence and attachment place. payload is copied, attach (n > 0: a small body) is borrowed until commit.
 * time_ns is raised to one more than the last record's when it is not above it; ret->time_ns is what was kept.
 * RC_LIMIT: the batch is full (never its first record): commit it and begin another. RC_INVALID: too large for any
 * batch. ret->payload points into the batch. */
enum rc journal_stage(struct journal *j, enum rec_type type, int64_t time_ns, struct view payload, struct view attach,
                      struct journal_rec *ret, struct err *e) HF_MUST_USE;
/* Durable on every current member, or nothing of it is (to be) believed: after any failure the batch's sequences may or
 * may not be found by the next recovery, whole, and the journal takes no more until it is opened again
 * (RC_UNAVAILABLE), unless at least one member survived, in which case the result is RC_OK under the new epoch. */
enum rc journal_commit(struct journal *j, struct err *e) HF_MUST_USE;
void journal_abandon(struct journal *j); /* drops what was staged since begin */

/* Newest durable sequence; 0 = empty. */
uint64_t journal_durable(const struct journal *j);
int64_t journal_last_time(const struct journal *j);
uint64_t journal_epoch(const struct journal *j);
/* Root of the tree over all durable records (RFC 6962 MTH; of none: SHA-256 of nothing), and their number. */
void journal_head(struct journal *j, uint64_t *ret_size, uint8_t root[HASH_SIZE]);
/* Blocks until durable >= seq (RC_OK), or until the time-out (RC_END), or until closing (RC_CANCELLED). */
enum rc journal_wait(struct journal *j, uint64_t seq, int64_t timeout_ns) HF_MUST_USE;
/* Writes what is durable now into the witness. The next start then knows that history reached this far: it tells a torn
 * tail from a damaged one, and an old copy of one disk, alone, from the newest. An older mark is weaker, not wrong, so
 * a failure is not an error. Any thread; costs an fsync in the data folder. */
void journal_mark(struct journal *j);
/* No space for another segment: only urgent batches are taken. */
bool journal_full(const struct journal *j);
/* Why a disk was left out last, for the log; empty when none was since the open. */
void journal_last_fault(struct journal *j, struct err *ret);

struct journal_reader;
/* From the record with sequence `from` (>= 1) on. */
enum rc journal_reader_open(struct journal *j, uint64_t from, struct journal_reader **ret, struct err *e) HF_MUST_USE;
/* RC_END at the durable mark (call again later). Verifies the batch it reads and repairs it from another member. */
enum rc journal_read(struct journal_reader *r, struct journal_rec *ret, struct err *e) HF_MUST_USE;
void journal_reader_close(struct journal_reader *r);

/* A small body, verified in dst (invariant 2): read from one member; on a bad checksum or EIO from the others, and the
 * bad place is written again from the good one and read back. dst has loc.size bytes. RC_CORRUPT when no member has it
 * whole. */
enum rc journal_read_attach(struct journal *j, struct attach_loc loc, uint64_t owner_seq, void *dst,
                            struct err *e) HF_MUST_USE;

struct scrub_count {
    uint64_t blocks, bytes, corrupt, repaired, unrepairable;
};
struct scrub_pace {          /* shared by journal and store */
    uint64_t bytes_per_s;    /* 0 = full speed */
    bool (*stop)(void *ctx); /* asked between blocks */
    void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);
    void *ctx;
};
/* Reads every batch of every member, attachments included (those of punched segments excepted), heals from another
 * member, reads back. Missing or stale segments of a member are copied first. */
enum rc journal_scrub(struct journal *j, const struct scrub_pace *pace, struct scrub_count *add,
                      struct err *e) HF_MUST_USE;
uint64_t journal_bytes(const struct journal *j); /* per member, for progress */

/* All attachments of this sealed segment are dead past their hold (REC_RECLAIM says so): their space is given back.
 * Idempotent. RC_CONFLICT: it is not sealed. Afterwards journal_read_attach answers RC_NOT_FOUND for it. */
enum rc journal_punch(struct journal *j, uint64_t segment, struct err *e) HF_MUST_USE;
bool journal_is_sealed(struct journal *j, uint64_t segment);

/* Members. journal_join is called after diskset_replace (journal_open does it for stale ones): the member joins from
 * the next segment on, then journal_heal_step copies one missing segment at a time (RC_END: none is missing; whoever
 * has it all is journal_whole. The disk stays rebuilding until the caller, who also fills its volumes, calls it ok).
 * RC_CONFLICT: nobody is left who has everything. Sequencer's thread for join, any one thread for heal. */
enum rc journal_join(struct journal *j, unsigned slot, struct err *e) HF_MUST_USE;
enum rc journal_heal_step(struct journal *j, struct err *e) HF_MUST_USE;
/* A disk failed elsewhere (store, scrub): leave it out from now on, with a new epoch. RC_UNAVAILABLE: it is the last
 * one with the whole journal. Sequencer's thread. */
enum rc journal_expel(struct journal *j, unsigned slot, struct err *e) HF_MUST_USE;

#endif
