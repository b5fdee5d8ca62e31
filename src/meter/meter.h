/* Holdfast: the meter: usage from the journal, rated into the ledger. One reader, one thread, one database
 * (D/control.db).
 *
 * It follows the journal with a durable cursor; usage sums, postings, stages and the cursor commit in one transaction
 * (invariant 4), so a crash at any point prices nothing twice and misses nothing. Batches are committed when somebody
 * waits, and otherwise about twice a second; the result does not depend on the batching.
 *
 * Storage: the first REC_TICK in each 5 minutes samples the stored bytes of every (account, bucket, class) into the
 * hour floor(T / 3600) that contains it; a tick that never came samples nothing. The hour is closed by the first tick
 * of a later one: one posting per account, one line per (bucket, item), each rounded half-up to 10^-9 (storage: sum of
 * samples x price / (30 x 288) / 2^30 for tencent-cos). Usage that is read before the tick of its own hour counts in
 * the hour before. Requests of successful writes come from their records; reads and refused requests from REC_USAGE,
 * which meter_note sums per minute; the price book says whether failed ones (4xx, 5xx) cost.
 *
 * Stage: the effective balance is the ledger less the open hour, rounded as it would be posted. An account is below
 * zero from the first tick that finds the effective balance negative; its stage then follows from its timetable and the
 * time since (own tenants: destruction by the latest date). A top-up that brings it to zero or above lifts the stage at
 * once; one that does not changes nothing. An account with balance 0 and no usage is active.
 *
 * Price books and timetables come from the binary and D/prices, D/timetables; what counts is the text that a REC_PRICES
 * recorded, from the hour after it on, so a replay prices as the live run did.
 *
 * Threads: meter_note from any thread (sharded, no allocation on a hot key); queries from any thread (they take the
 * reader's lock). The account `default` is metered, never charged. */
#ifndef HF_METER_METER_H
#define HF_METER_METER_H

#include <jansson.h>

#include "account/account.h"
#include "journal/journal.h"

#define TICK_S 300

struct meter;
struct meter_cfg {
    const char *data_dir; /* control.db, prices/, timetables/; NULL = database in memory, built-in data only */
    bool inert;           /* tests, rebuild: no thread; meter_step drives it */
};
/* RC_INVALID with file:line:column for an override that is not valid; RC_CORRUPT for a database that is damaged or
 * ahead of the journal (rebuild it: meter_destroy, then open again). keys may be NULL in tests. */
enum rc meter_open(struct os *os, struct journal *j, struct keystore *k, const struct meter_cfg *cfg,
                   struct meter **ret, struct err *e) HF_MUST_USE;
void meter_close(struct meter *m);
/* Deletes the control database. */
enum rc meter_destroy(struct os *os, const char *data_dir, struct err *e) HF_MUST_USE;
struct registry *meter_registry(struct meter *m);
/* Reads up to max records (0 = until the durable mark) and commits. RC_END when at the mark. Only with cfg.inert. */
enum rc meter_step(struct meter *m, unsigned max, struct err *e) HF_MUST_USE;
/* Until the reader has applied and committed seq; RC_IO with its reason when the reader has failed (it tries again each
 * second, except after a record that it cannot understand), RC_CANCELLED when it is closing. Inert: does the reading.
 */
enum rc meter_wait(struct meter *m, uint64_t seq, struct err *e) HF_MUST_USE;
uint64_t meter_cursor(struct meter *m);

/* A request that is not counted by a record of its own: reads, refused or failed requests. */
struct meter_event {
    uint64_t account, bucket; /* bucket 0 = none */
    struct view bucket_name, access_key;
    enum storage_class class;
    unsigned http_status;
    uint64_t egress_bytes;
    enum price_item egress;
};
void meter_note(struct meter *m, const struct meter_event *ev);
/* Takes the running minute's sums as payload of a REC_USAGE; RC_END when there are none. The sequencer calls it each
 * minute, before ticks of an advance, at status and at shutdown. May need several records: call until RC_END. */
enum rc meter_take_usage(struct meter *m, struct buf *payload) HF_MUST_USE;
/* Stage changes that the reader decided and that have no REC_STAGE yet, for the sequencer to write (reader, cause: the
 * tick's or top-up's sequence; a repeat is refused). RC_END when there are none. */
enum rc meter_take_stage(struct meter *m, struct buf *payload) HF_MUST_USE;

/* Price books and timetables whose text is not what the journal said last, as payload of a REC_PRICES each; RC_END when
 * there are none. To be written once the reader has caught up and before the first REC_ACCOUNT; without it the local
 * texts are used unrecorded. */
enum rc meter_take_prices(struct meter *m, struct buf *payload) HF_MUST_USE;

/* ---- checks before a record is written (control thread, one at a time) ---- */
/* Name [a-z0-9][a-z0-9-]{0,62}; currency of the price book; known price book and timetable. */
enum rc meter_check_account(struct meter *m, struct view name, struct view currency, struct view prices,
                            struct view timetable, struct err *e) HF_MUST_USE;
/* The account is there (RC_NOT_FOUND) and is charged, the amount above zero, the sum in range, the ref at most
 * TOPUP_REF_MAX bytes of UTF-8. *ret_account: for the record. */
enum rc meter_check_topup(struct meter *m, struct view name, int64_t amount_nano, struct view ref,
                          uint64_t *ret_account, struct err *e) HF_MUST_USE;

/* ---- queries, for status, statement, show; each answers as of everything applied so far, open hour included ---- */
/* [{"name", "currency", "balance", "burn_per_day", "runway_hours", "stage", "hours_to_stop", "hours_to_destroy"}], in
 * order of creation, default first (its balance and burn "0.00", its hours null). now_ns: business time.
 * balance: ledger less open hour. burn_per_day: a day of what is stored now, and the requests and egress of the last 24
 * hours. runway_hours: balance / burn; 0 from zero down, null when nothing burns. hours_to_stop, hours_to_destroy:
 * hours left once below zero (0 when reached), before that the runway and the timetable's hours (null when nothing
 * burns). */
enum rc meter_accounts_json(struct meter *m, int64_t now_ns, json_t **ret, struct err *e) HF_MUST_USE;
enum rc meter_account_json(struct meter *m, struct view name, int64_t now_ns, json_t **ret, struct err *e) HF_MUST_USE;
/* {"account", "month", "time_zone", "currency", "lines": [{"item", "bucket", "quantity", "unit", "price", "amount"}],
 * "total", "balance", "topups": [{"time", "amount", "ref"}]}. month "2026-11" in the price book's time zone; empty =
 * the present one. Months without data: empty lines. Lines in order of bucket name, then item (storage.STANDARD …,
 * requests.STANDARD …, egress.internet …); requests that name no bucket have bucket "". quantity, price and amount are
 * decimal strings: GB-month (at most 15 digits behind the point) at the price per GB-month, requests at the price of
 * one, GB at the price per GB. amount is the sum of the posted hours and of the open one, positive, in full precision;
 * it differs from quantity x price only by the hours' rounding. total: of the lines. balance: now, as in status. Of
 * `default`, which is not charged, price and amounts are 0. */
enum rc meter_statement_json(struct meter *m, struct view name, struct view month, int64_t now_ns, json_t **ret,
                             struct err *e) HF_MUST_USE;
/* [{"access_key", "account", "created", "revoked"}], oldest first; account empty = of all; times in RFC 3339, revoked
 * null while the key is good. */
enum rc meter_keys_json(struct meter *m, struct view account, json_t **ret, struct err *e) HF_MUST_USE;
/* Per account for /metrics. */
struct meter_gauge {
    char name[ACCOUNT_NAME_MAX + 1], currency[8];
    int64_t balance_nano, burn_per_day_nano;
    uint64_t stored_bytes;
    enum stage stage;
};
enum rc meter_gauges(struct meter *m, struct arena *a, struct meter_gauge **ret, size_t *ret_n) HF_MUST_USE;
/* A hash over every posting, balance and usage sum, to compare a replay with the live ledger. */
enum rc meter_digest(struct meter *m, uint8_t sha256[32], struct err *e) HF_MUST_USE;

#endif
