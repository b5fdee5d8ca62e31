/* Holdfast: the inside of the engine, shared by its files. */
#ifndef HF_SEQUENCE_ENGINE_PRIV_H
#define HF_SEQUENCE_ENGINE_PRIV_H

#include "sequence/engine.h"

#include <pthread.h>

/* The background's pace when the configuration names none: light enough to be forgotten, 40 TB in two months. */
#define SCRUB_DEFAULT_BYTES_PER_S (8ull << 20)
/* A pass begins this long after the last one ended. */
#define SCRUB_PAUSE_NS (6LL * 3600 * NS_PER_S)
#define SCRUB_FIRST_NS (60LL * NS_PER_S)
#define SCRUB_DEGRADED_NS (60LL * NS_PER_S)
#define RECLAIM_EVERY_NS (5LL * NS_PER_S)
#define RECLAIM_MAX 64u
#define MARK_EVERY_NS (60LL * NS_PER_S)

struct engine_bg {
    pthread_t thread;
    bool started;
    int64_t mark_due_ns;  /* of the thread alone */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool closing;
    bool pause; /* a scrub or replacement by hand wants the disks */
    struct engine_scrub_report report;
    pthread_mutex_t work; /* held by whoever scrubs or heals: one at a time */
    uint64_t scrub_bytes_per_s;
    int64_t hold_ns;
};

/* background.c */
enum rc engine_bg_start(struct engine *g, const struct engine_cfg *cfg, struct err *e) HF_MUST_USE;
void engine_bg_stop(struct engine *g);
bool engine_bg_ending(struct engine *g); /* engine_end_work was called */

/* maintain.c */
/* Copies to one slot all that it lacks; the disk is ok afterwards. stop may be NULL. */
enum rc engine_heal(struct engine *g, unsigned slot, bool (*stop)(void *ctx), void (*copied)(void *ctx, uint64_t bytes),
                    void *ctx, struct err *e) HF_MUST_USE;
/* Frees what is wholly dead past the hold. */
enum rc engine_reclaim(struct engine *g, int64_t hold_ns, struct err *e) HF_MUST_USE;

#endif
