/* Holdfast: everything below the network, opened in the right order: disks, journal (recovers), store, catalog
 * (replays), keystore, meter, sequencer; and the long work that runs beside them: scrub, heal, reclaim. serve, rebuild
 * and the tests all use this. */
#ifndef HF_SEQUENCE_ENGINE_H
#define HF_SEQUENCE_ENGINE_H

#include "sequence/sequence.h"

struct engine {
    struct os *os;
    struct diskset *disks;
    struct journal *journal;
    struct store *store;
    struct cat *cat;
    struct keystore *keys;
    struct meter *meter;
    struct seq *seq;
    struct journal_report report;
    uint64_t replayed;
    struct engine_bg *bg; /* private: background scrub, heal, reclaim */
};
struct engine_cfg {
    struct diskset_cfg disks;
    struct journal_cfg journal;
    struct seq_cfg seq;
    uint64_t scrub_bytes_per_s; /* background scrub; 0 = default 8 MiB/s; there is no switch that turns it off */
    bool no_background;         /* tests: heal and scrub are called by hand */
    bool memory_databases;      /* tests: catalog and control database in memory, rebuilt by replay */
};
enum rc engine_open(struct os *os, const struct engine_cfg *cfg, struct engine **ret, struct err *e) HF_MUST_USE;
void engine_close(struct engine *g);
/* `holdfast rebuild`: deletes catalog and control database and makes them anew. The folder must not be in use. */
enum rc engine_rebuild(struct os *os, const struct engine_cfg *cfg,
                       void (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx, uint64_t *ret_records,
                       struct err *e) HF_MUST_USE;

/* Full-speed scrub by hand: identities, keystores, journal, store. */
enum rc engine_scrub(struct engine *g, const struct scrub_pace *pace, struct scrub_count *ret,
                     struct err *e) HF_MUST_USE;
/* Around work by hand on the disks (a scrub): the background lets go first, and only one works at a time. */
void engine_bg_take(struct engine *g);
void engine_bg_release(struct engine *g);
/* The daemon is about to end: long work lets go soon (a replacement answers RC_CANCELLED and goes on at the next
 * start). Any thread; engine_close is still to be called. */
void engine_end_work(struct engine *g);
/* `disk replace OLD NEW`: the new disk takes the slot; returns when everything was copied to it. */
enum rc engine_disk_replace(struct engine *g, const char *old_path, const char *new_path,
                            void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes), void *ctx,
                            struct err *e) HF_MUST_USE;
/* First key from the environment or random, when the store has none. *ret_made says whether it was made now. */
enum rc engine_first_key(struct engine *g, const char *access_key, const char *secret,
                         char ret_access[ACCESS_KEY_MAX + 1], char ret_secret[SECRET_KEY_MAX + 1], bool *ret_made,
                         struct err *e) HF_MUST_USE;
/* Accounts and keys: check, record, wait for the reader. */
/* Any account record of a person's making (not REC_KEY, REC_KEY_REVOKE, REC_USAGE, REC_STAGE): meter_check, then the
 * record, then its effect. account: name of the account concerned; empty where the record names none. A repeat of the
 * same ref is RC_OK and writes nothing (*ret_seq 0). ret_seq may be NULL. */
enum rc engine_account_record(struct engine *g, struct view account, struct account_rec *rec, uint64_t *ret_seq,
                              struct err *e) HF_MUST_USE;
enum rc engine_key_create(struct engine *g, struct view account, char ret_access[ACCESS_KEY_MAX + 1],
                          char ret_secret[SECRET_KEY_MAX + 1], struct err *e) HF_MUST_USE;
enum rc engine_key_revoke(struct engine *g, struct view access_key, struct err *e) HF_MUST_USE;
/* Coverage of the background scrub: when the last whole pass ended (0 = never), and how far the present one is. */
struct engine_scrub_report {
    int64_t last_pass_ns;
    struct scrub_count last, total;
    uint64_t done_bytes, total_bytes;
};
void engine_scrub_report(struct engine *g, struct engine_scrub_report *ret);

#endif
