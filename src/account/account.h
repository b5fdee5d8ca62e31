/* Holdfast: accounts: keys, price books, the double-entry ledger, the arrears timetable and stage.
 *
 * Two halves. The registry is in memory, read by every request from any thread: key -> account, secret, stage, gate.
 * The books are in the control database (SQLite through db/sql.h), written only by the account reader (src/meter drives
 * it) and derived from the journal: money is int64 nano of the currency, every posting balances (sum of its lines = 0),
 * and cites journal sequence, price-book version, reader and cause (invariants 3, 4, 5). Secrets are in the keystore on
 * every disk, never in journal or database.
 *
 * Data: price books and timetables are YAML (share/prices/NAME.yaml, share/timetables/NAME.yaml), built into the
 * binary; D/prices and D/timetables may override them by name; each figure has `source` and `as_of`. The one a posting
 * used is kept in the database by its hash.
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

/* ---- price books, timetables, exchange rates ---- */
enum price_item {
    ITEM_STORAGE,
    ITEM_REQUESTS,
    ITEM_RETRIEVAL,    /* bytes read out of a class that charges for it */
    ITEM_EARLY_DELETE, /* what is left of a class's minimum days when an object goes */
    ITEM_EGRESS_INTERNET,
    ITEM_EGRESS_CDN, /* a CDN fetched from its origin, which is us */
    ITEM_EGRESS_CROSS_REGION,
    ITEM_EGRESS_INTERNAL,
    ITEM_COUNT
};
/* What clouds price apart: PUT, COPY, POST, LIST; GET, HEAD and the rest; DELETE and abort (free at S3). */
enum request_kind { REQUEST_ALL, REQUEST_WRITE, REQUEST_READ, REQUEST_DELETE, REQUEST_KINDS };

struct price_book; /* price.h has the inside of all three */
/* RC_INVALID with "file:line:column: what, and what to do". */
enum rc price_book_parse(const char *file, struct view yaml, struct price_book **ret, struct err *e) HF_MUST_USE;
void price_book_free(struct price_book *p);

struct timetable; /* hours after zero: stop, earliest and latest destruction; what is allowed in each stage; the cloud's
                     words */
enum rc timetable_parse(const char *file, struct view yaml, struct timetable **ret, struct err *e) HF_MUST_USE;
void timetable_free(struct timetable *t);
enum stage timetable_stage(const struct timetable *t, int64_t since_zero_ns);

struct rates; /* dated exchange rates */
enum rc rates_parse(const char *file, struct view yaml, struct rates **ret, struct err *e) HF_MUST_USE;
void rates_free(struct rates *r);

enum book_kind { BOOK_PRICES = 0, BOOK_TIMETABLE = 1, BOOK_RATES = 2, BOOK_KINDS };

/* ---- records (journal types 40..69) ----
 * Fields are codec TLV. Only the fields named for a type are encoded; the rest stay zero when decoded. Times are
 * business time; amounts are nano of the account's currency. */
enum money_kind {
    MONEY_VOUCHER, /* amount above zero, until_ns, scope: used before cash for what it covers; the rest ends at until */
    MONEY_PACK,    /* scope = one item ("egress.internet", "storage.STANDARD"), quantity in its unit, from_ns, until_ns;
                      amount = what it cost, from 0: charged at once as item `pack` */
    MONEY_RESERVE, /* amount above zero, ref not empty: held until released */
    MONEY_RELEASE, /* ref = that of the reservation */
    MONEY_REFUND,  /* amount above zero: cash goes back to the customer */
    MONEY_CHARGE,  /* amount above zero, note: item `charge` */
    MONEY_CREDIT,  /* amount above zero, note: a correction in the customer's favour: item `charge`, negative */
    MONEY_KINDS
};
enum quota_limit { QUOTA_BYTES, QUOTA_OBJECTS, QUOTA_REQUESTS_DAY, QUOTA_EGRESS_DAY, QUOTA_LIMITS };
#define QUOTA_NONE UINT64_MAX
enum budget_step {
    BUDGET_REQUEST,  /* the id is the record's sequence; account, scope, period, amount, actor, note */
    BUDGET_REVIEW,   /* approved or not, by finance */
    BUDGET_ALLOCATE, /* amount: from here on it is watched */
    BUDGET_CLOSE,
    BUDGET_MARK, /* the reader's own: a threshold was passed; level in percent, cause, from_ns = begin of the period */
    BUDGET_STEPS
};
enum budget_period { BUDGET_MONTH, BUDGET_QUARTER };

struct account_rec {
    enum rec_type type;
    uint64_t account; /* all but REC_ACCOUNT (there the id is the record's sequence), REC_KEY_REVOKE, REC_USAGE,
                         REC_PRICES */
    struct view name; /* REC_ACCOUNT, REC_STAGE: of the account; REC_PRICES: of the book */
    struct view currency, prices, timetable; /* REC_ACCOUNT: names. REC_ACCOUNT_SET: prices, timetable; empty = as is */
    struct view upstream; /* REC_ACCOUNT: name of the cloud where this account of ours is; empty = a tenant here */
    int64_t amount_nano;  /* REC_TOPUP: above zero; REC_MONEY, REC_DUE, REC_BUDGET; REC_BALANCE: any sign */
    struct view ref;      /* REC_TOPUP, REC_MONEY, REC_DUE: idempotency key, one namespace per account; may be empty */
    struct view access_key;         /* REC_KEY, REC_KEY_REVOKE */
    enum stage stage;               /* REC_STAGE: the new one */
    uint64_t cause;                 /* REC_STAGE, BUDGET_MARK: sequence of the record that caused it; one each */
    enum book_kind book;            /* REC_PRICES */
    struct view text;               /* REC_PRICES: the YAML */
    const struct usage_line *usage; /* REC_USAGE */
    size_t n_usage;
    enum money_kind money;     /* REC_MONEY */
    int64_t from_ns, until_ns; /* REC_MONEY; REC_GRACE: until; REC_DUE: until = the day it is due; 0 = none */
    struct view scope;         /* REC_MONEY: see there; REC_BUDGET: "account", "bucket:NAME", "department:NAME",
                                  "tag:KEY=VALUE"; REC_QUOTA: name of the bucket, empty = the whole account */
    struct view quantity;      /* MONEY_PACK: plain decimal, above zero */
    struct view note;          /* reason, proof (REC_GRACE), what is due */
    bool has_burn;             /* REC_BALANCE */
    int64_t burn_nano;         /* REC_BALANCE: a day; from 0 */
    bool monthly;              /* REC_DUE: again each month, on the same day */
    bool cancelled;            /* REC_DUE, by its ref; REC_GRACE: taken back */
    /* REC_ACCOUNT_SET: */
    bool has_credit, has_late_fee, has_max_age;
    int64_t credit_nano;  /* from 0: how far below zero is not arrears */
    struct view late_fee; /* plain decimal: share of the debt per day, 0..1 */
    int64_t max_age_ns;   /* upstream: a balance older than this is unknown */
    /* REC_BUDGET: */
    enum budget_step step;
    enum budget_period period;
    uint64_t budget;         /* all steps but BUDGET_REQUEST */
    bool approved;           /* BUDGET_REVIEW */
    uint64_t level;          /* BUDGET_MARK: 50, 80, 100; 101 = the forecast passes it */
    struct view actor, role; /* who said so, as what: recorded, not authenticated */
    /* REC_QUOTA: the whole quota after it; QUOTA_NONE = no limit */
    uint64_t quota[QUOTA_LIMITS];
};
#define TOPUP_REF_MAX 128
#define NOTE_MAX 1024
#define SCOPE_MAX 512
#define ACTOR_MAX 128
#define USAGE_LINES_MAX 4096 /* of one REC_USAGE */
struct usage_line {          /* one (bucket, class, key, result, …) of a minute */
    uint64_t account, bucket;
    struct view bucket_name, access_key;
    enum storage_class class; /* of the object; STANDARD when none was touched */
    enum request_kind kind;   /* REQUEST_WRITE, REQUEST_READ or REQUEST_DELETE */
    unsigned status;          /* HTTP status, 100..599 */
    uint64_t requests;
    uint64_t egress_bytes;
    enum price_item egress;   /* direction of egress_bytes */
    uint64_t retrieved_bytes; /* of `class` */
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
    bool suspended;                  /* the timetable makes keys invalid in this stage: once the signature is right, 403
                                        InvalidAccessKeyId with registry_gate's message */
};
/* RC_NOT_FOUND: no such key, or revoked. */
enum rc registry_key(struct registry *r, struct view access_key, struct caller *ret) HF_MUST_USE;
enum gate { GATE_READ, GATE_WRITE, GATE_NEW_BUCKET };
/* May this account do that now? RC_DENIED with what a client reads: the cloud's own words and the amount that ends it,
 * for example "Due to your account is arrears, it is unavailable until you recharge. Account acme is 12.34 CNY below
 * zero; …". */
enum rc registry_gate(struct registry *r, uint64_t account, enum gate what, struct err *ret_message) HF_MUST_USE;
bool registry_name(struct registry *r, uint64_t account, char name[ACCOUNT_NAME_MAX + 1]);
enum rc registry_find(struct registry *r, struct view name, uint64_t *ret_account) HF_MUST_USE;

/* ---- quotas ----
 * Bytes and objects are decided by the sequencer at the commit, in commit order (quota_change below is its question).
 * Requests and egress of a business day (in the account's price book's time zone) are taken here, atomically, before
 * the work is done, so that no number of clients at once passes them; what was taken stays taken. A crash forgets at
 * most the running minute of reads. RC_DENIED with what a client reads: which limit, how much is left, who can raise
 * it. A bucket's limit and its account's both hold. bucket empty = none. Any thread. */
enum rc registry_take(struct registry *r, uint64_t account, struct view bucket, uint64_t requests,
                      uint64_t egress_bytes, int64_t now_ns, struct err *ret_message) HF_MUST_USE;
/* May bytes and objects of the bucket and of the account become these? Only growth is refused. */
struct quota_change {
    uint64_t account;
    struct view bucket;
    int64_t bucket_bytes, bucket_objects, account_bytes, account_objects; /* as they would be */
    int64_t bytes, objects;                                               /* by how much they change */
};
enum rc registry_quota(struct registry *r, const struct quota_change *c, struct err *ret_message) HF_MUST_USE;

#endif
