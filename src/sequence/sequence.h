/* Holdfast: the sequencer: the one thread through which every change passes. It takes requests in order, decides
 * conditions, quotas and the account's stage against the catalog plus the overlay of everything sequenced before,
 * stages their records, commits the batch to the journal, applies it, and answers. No answer, a 412 included, leaves
 * before what it depends on is durable; a batch that fails fails all behind it (DESIGN §1). It also owns business time:
 * ticks, the minute's usage, epochs, reclaiming.
 *
 * Threads: seq_submit from any thread; `done` runs in the sequencer's thread and must not block. */
#ifndef HF_SEQUENCE_SEQUENCE_H
#define HF_SEQUENCE_SEQUENCE_H

#include "catalog/catalog.h"
#include "meter/meter.h"
#include "store/store.h"

struct seq;
struct seq_cfg {
    bool virtual_clock;
    int64_t gather_ns; /* how long a batch waits for company when others are in flight; 0 = default 50 us */
    int64_t hold_ns;   /* before dead bytes are freed; 0 = 24 h */
};
enum rc seq_open(struct os *os, struct diskset *disks, struct journal *j, struct store *s, struct cat *c,
                 struct meter *m, const struct seq_cfg *cfg, struct seq **ret, struct err *e) HF_MUST_USE;
/* Finishes what was submitted, writes the last usage, ends the thread. */
void seq_close(struct seq *s);

struct seq_req {
    /* in: either op (catalog) or a record of another room */
    const struct cat_op *op; /* NULL for a plain record */
    enum rec_type type;      /* plain record */
    struct view payload;
    bool urgent;      /* may use the reserve on a full disk (deletes, top-ups) */
    bool check_stage; /* the account of op may be stopped: decided in order */
    void (*done)(struct seq_req *r);
    void *ctx;
    /* out */
    enum rc rc; /* RC_OK; RC_DENIED with err: the account is stopped, or with CAT_QUOTA a quota is reached; cat->why;
                   RC_FULL; RC_UNAVAILABLE: not durable */
    struct cat_done cat;
    uint64_t seq;
    struct err err;
    struct seq_req *next; /* private */
};
void seq_submit(struct seq *s, struct seq_req *r);
/* Blocks until done. */
enum rc seq_call(struct seq *s, struct seq_req *r) HF_MUST_USE;

/* Business time as requests see it. */
int64_t seq_now(struct seq *s);
/* Virtual clock only (RC_UNSUPPORTED otherwise): every tick up to then, then waits for all readers. progress may be
 * NULL. */
enum rc seq_advance(struct seq *s, int64_t by_ns, void (*progress)(void *ctx, int64_t done_ns, int64_t total_ns),
                    void *ctx, struct err *e) HF_MUST_USE;
/* Writes the running minute's usage and waits until all readers have applied everything committed so far. */
enum rc seq_settle(struct seq *s, struct err *e) HF_MUST_USE;
/* Would a quota refuse these bytes and objects more, by what is durable now? RC_DENIED with what a client reads: for
 * those who want to know before they take a body; the commit decides. Any thread. */
enum rc seq_quota(struct seq *s, uint64_t account, const struct cat_bucket *b, int64_t bytes, int64_t objects,
                  struct err *ret_message) HF_MUST_USE;
/* A disk failed in the store: leave it out of the journal too. Any thread. */
void seq_disk_failed(struct seq *s, unsigned slot);
/* Runs in the sequencer's thread between batches, for membership changes. */
enum rc seq_run(struct seq *s, enum rc (*fn)(void *ctx, struct err *e), void *ctx, struct err *e) HF_MUST_USE;
struct seq_stats {
    uint64_t batches, records, failed, refused;
};
void seq_stats(struct seq *s, struct seq_stats *ret);

#endif
