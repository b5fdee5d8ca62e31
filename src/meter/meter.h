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
 * Minimum size and days: an object of a class other than STANDARD counts as at least the book's minimum size; how many
 * objects there are of each size below BOOK_MIN_SIZE_MAX is kept, so that a new minimum, or another cloud's, is exact.
 * One that goes (delete, overwrite) before its minimum days pays the storage of the days that are left at once:
 * (min_days x samples_per_day - samples between birth and end) x its billed size, item early-delete.CLASS.
 *
 * Rating: at the hour's closing each (bucket, cell) is one quantity. Packs cover what they can (the one that ends first
 * before the others), the rest is priced by the tiers of the account's month, in order of bucket id and cell; vouchers
 * pay what they may (the one that ends first before the others), cash pays the rest. Of a month that is over, nothing
 * changes any more.
 *
 * Kinds of requests: a record of the catalog is a write; REC_DELETE, REC_BUCKET_DELETE and REC_UPLOAD_ABORT are
 * deletes. Samples: a book with n samples a day takes those ticks whose 5 minutes (since 1970, UTC) are a multiple of
 * 288 / n; the time between birth and end of an object is counted in the same units. A pack or voucher counts for an
 * hour when its begin (the record's time, unless from_ns says otherwise) < end of the hour
 * <= its end. A pack covers one cell; its quantity in units is kept as metered quantity, rounded down, and converted
 * when what makes a unit changes. A voucher pays usage of its scope, never packs, charges or late fees. The month's
 * quantity that tiers look at does not count what packs covered; of an earlier book with another number of samples a
 * day it counts storage in proportion, rounded down per book.
 *
 * Late fee: the first tick of a day in the book's time zone charges debt x daily rate, rounded half-up, on the ledger's
 * cash balance below the credit limit; days without a tick cost nothing. One tick's order: the hour closes, late fee,
 * vouchers end (the rest goes back at the first tick at or after until), dues pass, the sample, stages.
 *
 * Refs: one namespace per account for top-ups, money records and dues; a record whose ref came before changes nothing.
 * A release and the cancelling of a due name the ref of another and have none of their own. A due is never charged by
 * the meter: a tenant's passes at the first tick at or after its day, one of an account at a cloud with the first
 * balance set after it; a monthly one then moves to the next month. A balance set without a burn keeps the burn said
 * before. While the balance of an account at a cloud is unknown its stage stays as it is. Usage of an account at a
 * cloud is not charged.
 *
 * Stage: what is available is the ledger's cash less the open hour's, less reservations, plus the credit limit. An
 * account is below zero from the first tick that finds it negative; its stage then follows from its timetable and the
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

/* A request that is not counted by a record of its own: reads, refused or failed requests; or the reading side of a
 * copy (requests 0). */
struct meter_event {
    uint64_t account, bucket; /* bucket 0 = none */
    struct view bucket_name, access_key;
    enum storage_class class; /* of the object; STANDARD when none was touched */
    enum request_kind kind;
    unsigned http_status;
    uint64_t requests; /* 0 or 1 */
    uint64_t egress_bytes;
    enum price_item egress;
    uint64_t retrieved_bytes; /* of `class`: bytes of object data that were read for a client or a copy */
};
void meter_note(struct meter *m, const struct meter_event *ev);
/* Takes the running minute's sums as payload of a REC_USAGE; RC_END when there are none. The sequencer calls it each
 * minute, before ticks of an advance, at status and at shutdown. May need several records: call until RC_END. */
enum rc meter_take_usage(struct meter *m, struct buf *payload) HF_MUST_USE;
/* What the reader decided and has no record yet, for the sequencer to write: changes of stage (REC_STAGE) and passed
 * thresholds of budgets (REC_BUDGET, BUDGET_MARK); reader and cause make a repeat harmless. RC_END when there is none.
 */
enum rc meter_take_notes(struct meter *m, enum rec_type *ret_type, struct buf *payload) HF_MUST_USE;

/* Price books and timetables whose text is not what the journal said last, as payload of a REC_PRICES each; RC_END when
 * there are none. To be written once the reader has caught up and before the first REC_ACCOUNT; without it the local
 * texts are used unrecorded. */
enum rc meter_take_prices(struct meter *m, struct buf *payload) HF_MUST_USE;

/* ---- the check before an account record is written (control thread, one at a time) ---- */
/* Everything that apply would refuse, said to a person: names, known books, currency of the price book, an account that
 * is there (RC_NOT_FOUND) and is charged, amounts in range and in the account's currency, dates ahead, scopes that
 * parse, a reservation within what is available, a refund within the balance, steps of a budget in their order and by
 * their role. rec->account is filled from `account` (its name) when that is not empty. *ret_repeat: the same ref came
 * before with the same content: there is nothing to write, all is well; with other content RC_CONFLICT. */
enum rc meter_check(struct meter *m, struct view account, struct account_rec *rec, bool *ret_repeat,
                    struct err *e) HF_MUST_USE;

/* What was true at the check may not be when the record's turn comes: RC_CONFLICT with the sentence when the reader
 * refused the record with this sequence. After meter_wait. */
enum rc meter_refusal(struct meter *m, uint64_t seq, struct err *e) HF_MUST_USE;

/* ---- queries, for status, statement, show; each answers as of everything applied so far, open hour included. now_ns:
 * business time. Amounts are decimal strings in full precision, times RFC 3339, hours plain numbers: 0 once reached,
 * null when they cannot come. ---- */
/* [{"name", "currency", "balance", "burn_per_day", "runway_hours", "stage", "hours_to_stop", "hours_to_destroy",
 *   "upstream", "available", "reserved", "credit", "vouchers", "prices", "timetable"}], in order of creation, default
 * first (its balance and burn "0.00", its hours null).
 * balance: cash in the ledger less what the open hour will cost in cash. available: balance less reservations plus
 * credit limit; below zero it is arrears. Of an upstream account: the balance that was set, less its burn since; when
 * it is older than its limit, or was never set, balance, burn and stage are "unknown" and the hours null. */
enum rc meter_accounts_json(struct meter *m, int64_t now_ns, json_t **ret, struct err *e) HF_MUST_USE;
enum rc meter_account_json(struct meter *m, struct view name, int64_t now_ns, json_t **ret, struct err *e) HF_MUST_USE;
/* {"account", "currency", "balance", "burn_per_day", "zero_in_hours", "stop_in_hours", "destroy_in_hours",
 *  "to_prevent": {"zero", "stop", "destroy"}, "stage", "available", "unsettled", "grace_until", "balance_as_of",
 *  "timetable", "destroy_date": "earliest" | "latest",
 *  "ahead": [{"at", "what": "pack-expires" | "pack-used-up" | "voucher-expires" | "voucher-used-up" | "due", "name",
 *             "amount", "burn_per_day_after"}]}
 * See clock.h for the rules. */
enum rc meter_clock_json(struct meter *m, struct view name, int64_t now_ns, json_t **ret, struct err *e) HF_MUST_USE;
/* {"account", "month", "time_zone", "currency", "lines": [{"item", "bucket", "quantity", "unit", "price", "amount",
 *  "book", "covered_by"}], "total", "paid": {"cash", "vouchers"}, "invoice": {"lines_places", "total_places", "total",
 *  "lines": ["…"]}, "balance", "topups": [{"time", "amount", "ref"}], "money": [{"time", "kind", "amount", "ref",
 *  "note"}], "packs": [{"item", "quantity", "remaining", "unit", "from", "until"}], "vouchers": [{"amount",
 *  "remaining", "until", "scope"}]}.
 * month "2026-11" in the price book's time zone; empty = the present one. Months without data: empty lists. One line
 * per (bucket, item, price book, price): a tier or a price change makes another line; so does what a pack covered
 * (price 0, covered_by = the pack's seq as text, else null). Lines in order of bucket name, item (in the order of
 * cells), time. quantity, price and amount are decimal strings: GB-month (at most 15 digits behind the point) at the
 * price per GB-month, requests at the price of one, GB at the price per GB. amount: the sum of the posted hours and of
 * the open one; it differs from quantity x price only by the hours' rounding. total: of the lines. balance: now, as in
 * status. Of `default`, which is not charged, price and amounts are 0. Reading from a class that has no price for it is
 * no line (the usage has it). packs and vouchers: those that had not ended
 * before it, with what is left of them now. */
enum rc meter_statement_json(struct meter *m, struct view name, struct view month, int64_t now_ns, json_t **ret,
                             struct err *e) HF_MUST_USE;
/* {"account", "month", "lines": [{"bucket", "access_key", "item", "status", "quantity", "unit"}]}: who used it:
 * requests, egress and retrieval by bucket, key and result; the open hour included. item without kind ALL: writes,
 * reads and deletes apart. */
enum rc meter_usage_json(struct meter *m, struct view name, struct view month, int64_t now_ns, json_t **ret,
                         struct err *e) HF_MUST_USE;
struct what_if {
    struct view account, month; /* month empty = the present one */
    struct view to;             /* price book; empty = the account's own */
    bool has_class;
    enum storage_class class; /* all storage in this class */
    struct view currency;     /* empty = the book's; else converted by the dated rates */
};
/* {"account", "month", "from": {"prices", "currency", "total", "lines": [...]}, "to": the same, "difference" (to -
 * from, null when the currencies differ and no rate is known), "rate", "moving": {"currency", "egress", "requests",
 *  "retrieval", "early_delete", "total"}, "notes": ["…"]}: the month's usage as metered, priced by another book; and
 * what it costs once to move what is stored now (read it out of the source, write it to the target). */
enum rc meter_what_if_json(struct meter *m, const struct what_if *w, int64_t now_ns, json_t **ret,
                           struct err *e) HF_MUST_USE;
/* [{"name", "kind": "prices" | "timetable" | "rates", "id" (hex), "valid_from", "currency", "state": "in force" |
 *   "ahead" | "past", "origin": "built-in" | "file" | "journal"}] */
enum rc meter_books_json(struct meter *m, int64_t now_ns, json_t **ret, struct err *e) HF_MUST_USE;
/* [{"id", "account", "scope", "period", "amount", "state": "requested" | "rejected" | "approved" | "active" | "closed",
 *   "spent", "percent", "forecast", "level": 0 | 50 | 80 | 100, "forecast_over": bool, "period_start", "period_end",
 *   "history": [{"time", "step", "actor", "role", "amount", "note"}]}]. account empty = all; id 0 = all. */
enum rc meter_budgets_json(struct meter *m, struct view account, uint64_t id, int64_t now_ns, json_t **ret,
                           struct err *e) HF_MUST_USE;
/* [{"account", "bucket" (null = the account), "limits": {"bytes", "objects", "requests_per_day", "egress_per_day"},
 *   "used": the same}]; no limit = null. */
enum rc meter_quotas_json(struct meter *m, struct view account, int64_t now_ns, json_t **ret,
                          struct err *e) HF_MUST_USE;
/* What is stored, for whoever enforces quotas after a start: once per (account, bucket). */
struct meter_stored {
    uint64_t account, bucket;
    int64_t bytes, objects;
};
enum rc meter_each_stored(struct meter *m, void (*fn)(void *ctx, const struct meter_stored *s), void *ctx) HF_MUST_USE;
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
