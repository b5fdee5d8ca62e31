/* Holdfast: the inside of the sequencer, shared by its files. */
#ifndef HF_SEQUENCE_SEQ_PRIV_H
#define HF_SEQUENCE_SEQ_PRIV_H

#include "sequence/sequence.h"

#include <pthread.h>
#include <stdatomic.h>

#define GATHER_DEFAULT_NS 50000LL
#define HOLD_DEFAULT_NS (24LL * 3600 * NS_PER_S)
#define USAGE_EVERY_NS (60LL * NS_PER_S)
#define TICK_NS ((int64_t)TICK_S * NS_PER_S)
/* A wall clock that runs away from the monotonic one by more than this is not followed (fault 28). */
#define CLOCK_JUMP_MAX_NS (600LL * NS_PER_S)
#define PAYLOAD_MAX JOURNAL_PAYLOAD_MAX

/* Work for the sequencer's thread between batches. */
struct seq_command {
    enum rc (*fn)(void *ctx, struct err *e);
    void *ctx;
    struct err *e;
    enum rc rc;
    bool finished;
    struct seq_command *next;
};

struct stored;
struct stored_entry;

struct seq {
    struct os *os;
    struct diskset *disks;
    struct journal *journal;
    struct store *store;
    struct cat *cat;
    struct meter *meter;
    struct seq_cfg cfg;
    pthread_t thread;

    pthread_mutex_t lock; /* guards the queue, the commands and `closing` */
    pthread_cond_t wake, command_done;
    struct seq_req *head, *tail;
    unsigned queued;
    struct seq_command *commands;
    bool closing, waiting;

    /* The sequencer's thread alone. */
    struct cat_txn *txn;
    struct stored *stored; /* others may peek */
    struct buf payload;
    struct seq_req *deciding;                  /* the request that a quota is asked about */
    struct seq_req *staged_head, *staged_tail; /* decided in the open batch; answered when it is durable */
    unsigned staged_records;
    bool batch_open, batch_full; /* batch_full: the disks are full, only urgent records are taken */
    unsigned last_batch;
    int64_t next_tick_ns, usage_due_ns;
    uint64_t epoch_seen; /* the newest epoch that was logged */
    const char *broken;  /* why nothing more can be committed; NULL while all is well */

    /* Business time. */
    pthread_mutex_t time_lock;
    int64_t virtual_ns;
    int64_t base_business_ns, base_mono_ns, last_given_ns;
    bool jumped;

    _Atomic unsigned failed_slots; /* bit per slot, to be expelled */
    _Atomic uint64_t n_batches, n_records, n_failed, n_refused;
};

/* time.c */
void seq_time_init(struct seq *s);
int64_t seq_time_tick_after(int64_t ns);
void seq_time_set_virtual(struct seq *s, int64_t ns);

/* batch.c: one batch at a time in the sequencer's thread. */
/* Decides, stages and applies one request to the overlay; commits the open batch first when it is full. Answers come
 * with the commit. */
void seq_batch_take(struct seq *s, struct seq_req *r);
/* A record of the sequencer's own (tick, usage, stage). */
enum rc seq_batch_record(struct seq *s, enum rec_type type, int64_t time_ns, struct view payload) HF_MUST_USE;
/* Durable and applied, then answered; or all failed. */
enum rc seq_batch_commit(struct seq *s) HF_MUST_USE;
/* Ticks due up to `to_ns`, at most `max`; *ret_more says whether some are left. */
enum rc seq_batch_ticks(struct seq *s, int64_t to_ns, unsigned max, bool *ret_more) HF_MUST_USE;
/* The running minute's usage, and the stages and budgets' thresholds that the meter found, as records. */
enum rc seq_batch_usage(struct seq *s) HF_MUST_USE;
enum rc seq_batch_notes(struct seq *s) HF_MUST_USE;
/* Price books and timetables that the journal does not know yet. */
enum rc seq_batch_prices(struct seq *s) HF_MUST_USE;
/* fits cat_txn_on_quota; ctx is the struct seq. */
enum rc seq_batch_quota(void *ctx, const struct cat_rec *r) HF_MUST_USE;

/* stored.c: bytes and objects of each account and bucket. But for stored_peek, of the sequencer's thread. */
enum rc stored_new(struct stored **ret) HF_MUST_USE;
void stored_free(struct stored *t);
enum rc stored_seed(struct stored *t, const struct meter_stored *s) HF_MUST_USE;
/* Made when it is not there. bucket is never 0. */
enum rc stored_find(struct stored *t, uint64_t account, uint64_t bucket, struct stored_entry **ret) HF_MUST_USE;
/* As they would be with this change, what is staged included; ret->bucket is left alone. */
void stored_with(const struct stored_entry *x, int64_t bytes, int64_t objects, struct quota_change *ret);
/* removed: the bucket goes with the commit. */
void stored_stage(struct stored *t, struct stored_entry *x, int64_t bytes, int64_t objects, bool removed);
/* All that was staged is durable; or never happened. */
void stored_commit(struct stored *t);
void stored_drop(struct stored *t);
/* As stored_with, of what is durable. Any thread. */
void stored_peek(struct stored *t, uint64_t account, uint64_t bucket, int64_t bytes, int64_t objects,
                 struct quota_change *ret);

#endif
