/* Holdfast: accounts: keys, price books, the double-entry ledger, the arrears timetable and stage.
 *
 * Two halves. The registry is in memory, read by every request from any thread: key -> account, secret, stage, gate.
 * The books are in the control database (SQLite through db/sql.h), written only by the account reader (src/meter drives
 * it) and derived from the journal: money is int64 nano of the currency, every posting balances (sum of its lines = 0),
 * and cites journal sequence, price-book version, reader and cause (invariants 3, 4, 5). Secrets are in the keystore on
 * every disk, never in journal or database.
 *
 * Data: price books and timetables are YAML (data/prices/NAME.yaml, data/timetables/NAME.yaml), built into the binary;
 * D/prices and D/timetables may override them by name; each figure has `source` and `as_of`. The one a posting used is
 * kept in the database by its hash.
 *
 * Stages (tencent-cos: 24 h from below zero all goes on, with warnings; then no read, no write, storage goes on
 * billing; from the earliest destruction date any source gives it is `retention`; at the latest one `purgeable`). A
 * stage is a function of (time since the balance went below zero, timetable); a top-up to >= 0 lifts it at once. */
#ifndef HF_ACCOUNT_ACCOUNT_H
#define HF_ACCOUNT_ACCOUNT_H

#include "catalog/record.h"
#include "db/sql.h"

#define ACCESS_KEY_MAX 64
#define SECRET_KEY_MAX 128
#define ACCOUNT_DEFAULT                                                                                                \
    1u /* id of `default`: owns the first key, not charged. Other ids: the sequence of their REC_ACCOUNT */

enum stage { STAGE_ACTIVE, STAGE_WARN, STAGE_STOP, STAGE_RETENTION, STAGE_PURGEABLE };
const char *stage_name(enum stage s);

/* ---- price books ---- */
enum price_item {
    ITEM_STORAGE,
    ITEM_REQUESTS,
    ITEM_EGRESS_INTERNET,
    ITEM_EGRESS_CDN,
    ITEM_EGRESS_CROSS_REGION,
    ITEM_EGRESS_INTERNAL,
    ITEM_COUNT
};
struct price_book;
/* RC_INVALID with "file:line:column: what, and what to do". */
enum rc price_book_parse(const char *file, struct view yaml, struct price_book **ret, struct err *e) HF_MUST_USE;
void price_book_free(struct price_book *p);

struct timetable; /* hours after zero: stop, earliest and latest destruction; what is allowed in each stage; the cloud's
                     words */
enum rc timetable_parse(const char *file, struct view yaml, struct timetable **ret, struct err *e) HF_MUST_USE;
void timetable_free(struct timetable *t);
enum stage timetable_stage(const struct timetable *t, int64_t since_zero_ns);

/* ---- records (journal types 40..69) ----
 * Fields are codec TLV. Only the fields named for a type are encoded; the rest stay zero when decoded. */
struct account_rec {
    enum rec_type type;
    uint64_t account; /* all but REC_ACCOUNT (there the id is the record's sequence), REC_KEY_REVOKE, REC_USAGE,
                         REC_PRICES */
    struct view name; /* REC_ACCOUNT, REC_STAGE: of the account; REC_PRICES: of the book */
    struct view currency, prices, timetable; /* REC_ACCOUNT: names */
    int64_t amount_nano;                     /* REC_TOPUP: above zero */
    struct view ref;                         /* REC_TOPUP: idempotency key; may be empty */
    struct view access_key;                  /* REC_KEY, REC_KEY_REVOKE */
    enum stage stage;                        /* REC_STAGE: the new one */
    uint64_t cause;                 /* REC_STAGE: sequence of the tick or top-up; one change each per account */
    bool is_timetable;              /* REC_PRICES: else a price book */
    struct view text;               /* REC_PRICES: the YAML */
    const struct usage_line *usage; /* REC_USAGE */
    size_t n_usage;
};
#define TOPUP_REF_MAX 128
#define USAGE_LINES_MAX 4096 /* of one REC_USAGE */
struct usage_line {          /* one (bucket, class, key, item, result) of a minute */
    uint64_t account, bucket;
    struct view bucket_name, access_key;
    enum storage_class class;
    unsigned status; /* HTTP status class: 2, 3, 4, 5 */
    uint64_t requests;
    uint64_t egress_bytes;
    enum price_item egress; /* direction of egress_bytes */
};
/* The arena keeps usage; the rest borrows from payload. RC_CORRUPT when it does not parse, lacks a field of its type,
 * or holds what may not be (an amount not above zero, a name too long, an unknown stage, class or direction). */
enum rc account_rec_decode(enum rec_type type, struct view payload, struct arena *a,
                           struct account_rec *ret) HF_MUST_USE;
/* RC_INVALID for what decode would refuse. */
enum rc account_rec_encode(const struct account_rec *r, struct buf *out) HF_MUST_USE;

/* ---- keystore: P/keystore on every usable disk, each replaced atomically; the newest valid one wins, the others are
 * healed ---- */
struct keystore;
enum rc keystore_open(struct os *os, struct diskset *disks, struct keystore **ret, struct err *e) HF_MUST_USE;
/* Called when a disk could not be written: RC_OK when it was left out of the set, so that the others suffice. Without
 * it one failing disk fails every put. May not call back into the keystore. */
typedef enum rc keystore_disk_failed_fn(void *ctx, unsigned slot);
void keystore_on_disk_failed(struct keystore *k, keystore_disk_failed_fn *fn, void *ctx);
void keystore_close(struct keystore *k);
/* Durable on every usable disk before it returns. Made before its REC_KEY: a secret without a record is no key. */
enum rc keystore_put(struct keystore *k, const char *access_key, const char *secret, struct err *e) HF_MUST_USE;
enum rc keystore_get(struct keystore *k, const char *access_key, char secret[SECRET_KEY_MAX + 1]) HF_MUST_USE;
enum rc keystore_delete(struct keystore *k, const char *access_key, struct err *e) HF_MUST_USE;
/* Verifies each disk's file, rewrites bad or missing ones (also on a new disk). */
enum rc keystore_scrub(struct keystore *k, uint64_t *blocks, uint64_t *corrupt, uint64_t *repaired,
                       struct err *e) HF_MUST_USE;
/* New random pair: access key "HF" + 18 characters A-Z2-7, secret 40 characters. */
void key_make(struct os *os, char access_key[ACCESS_KEY_MAX + 1], char secret[SECRET_KEY_MAX + 1]);

/* ---- registry: what requests need, in memory, any thread ---- */
struct registry;
struct caller {
    uint64_t account;
    char account_name[ACCOUNT_NAME_MAX + 1];
    char access_key[ACCESS_KEY_MAX + 1];
    char secret[SECRET_KEY_MAX + 1]; /* wipe after use */
};
/* RC_NOT_FOUND: no such key, or revoked. */
enum rc registry_key(struct registry *r, struct view access_key, struct caller *ret) HF_MUST_USE;
/* May this account read (or write) now? RC_DENIED with what a client reads: the cloud's own words and the amount that
 * ends it, for example "Due to your account is arrears, it is unavailable until you recharge. Account acme is 12.34 CNY
 * below zero; …". */
enum rc registry_gate(struct registry *r, uint64_t account, bool write, struct err *ret_message) HF_MUST_USE;
bool registry_name(struct registry *r, uint64_t account, char name[ACCOUNT_NAME_MAX + 1]);
enum rc registry_find(struct registry *r, struct view name, uint64_t *ret_account) HF_MUST_USE;

#endif
