/* Holdfast: the meter's state and what its files share.
 *
 * Memory holds what each record touches: accounts and, per (account, bucket), what is stored and the open hour's sums.
 * The database holds the same as of the last commit, and everything that is closed: postings, months, hours, money
 * records, keys, changes of stage, books.
 *
 * Invariants (tests/unit/test_meter.c):
 *  M1 Cursor, sums, postings and stages commit in one transaction; a transaction that is dropped leaves memory to be
 *     loaded again (meter_reload), so memory never runs ahead of a database that has forgotten
 *     [a_crash_at_any_point_replays_to_the_same_digest].
 *  M2 The result is a function of the records alone: not of the batching, the thread, or when it was asked
 *     [the_digest_does_not_depend_on_batching].
 *  M3 Sampling is lazy: a row is sampled when it changes, is closed or is asked for; `sampled` says up to which sample
 *     of its account it has been. sum = sum so far + billed x (samples - sampled), because billed stood still in
 *     between.
 *  M4 An account's `stored`, `billed` and `open` are the sums over its rows, except that storage is sampled into `open`
 *     at every sample.
 *  M5 What is charged is decided in one place (meter_charge): the hour's closing keeps its effects, questions drop
 * them. M6 Of packs, vouchers, reservations and dues memory has those that can still have an effect, in the order of
 * their ends; the table `money` has every record that ever moved money or was refused. Locks: `turn` then `lock`
 * (meter_lock) guard everything here but notes, the queue and the registry, which have their own. Functions that take
 * struct meter expect the lock to be held unless they are in meter.h. */
#ifndef HF_METER_PRIV_H
#define HF_METER_PRIV_H

#include "account/ledger.h"
#include "account/registry.h"
#include "meter/meter.h"

#define HOUR_S 3600
#define DAY_S 86400
#define DAY_NS ((int64_t)DAY_S * NS_PER_S)
#define NO_HOUR INT64_MIN /* before the first usage or tick */
#define RECENT_HOURS 168  /* the burn of requests, bytes and deletions looks so far back, the open hour not included */
#define TABLE_START 256   /* of rows and accounts; a power of two */
#define METER_BATCH_RECORDS 512
#define METER_COMMIT_RECORDS 65536  /* a commit at the latest after so many records */
#define METER_COMMIT_NS 500000000LL /* or after so long */
#define UPSTREAM_MAX_AGE_NS DAY_NS  /* unless REC_ACCOUNT_SET says otherwise */
#define MONEY_ITEMS_MAX 256         /* packs, vouchers, dues of an account at one time: of each */

struct meter_account;

/* One (account, bucket). */
struct meter_row {
    struct meter_row *next; /* in its place in meter.rows */
    struct meter_row *next_dirty;
    struct meter_account *account;
    size_t at; /* in account->row */
    uint64_t bucket;
    char name[BUCKET_NAME_MAX + 1];
    int64_t stored[CLASS_COUNT], objects[CLASS_COUNT];
    int64_t padding[CLASS_COUNT];        /* what the book's minimum size adds to stored */
    unsigned __int128 open[PRICE_CELLS]; /* sums of the open hour */
    uint64_t sampled;                    /* M3: counts account->samples */
    int64_t day;                         /* of the two below, in the book's zone: days since 1970 */
    uint64_t day_requests, day_egress;
    bool dirty, day_written;
    uint64_t written;        /* bit per cell that open_usage has */
    unsigned stored_written; /* bit per class that `stored` has */
};

/* What one hour's usage of a cell would have cost at the book's prices, packs and vouchers not considered. */
struct recent_use {
    int64_t hour;
    unsigned cell;
    int64_t list_nano;
};

struct meter_pack {
    uint64_t seq;
    unsigned cell;
    int64_t from_ns, until_ns;        /* covers an hour when from < end of the hour <= until */
    unsigned __int128 quantity, left; /* as metered */
    unsigned __int128 divisor;        /* price_divisor that quantity and left are counted with: / divisor = units */
    bool dirty;
};
struct meter_voucher {
    uint64_t seq;
    uint64_t cells;            /* bit per cell it pays */
    int64_t from_ns, until_ns; /* pays an hour when from < end of the hour <= until */
    int64_t amount_nano, left_nano;
    bool dirty;
};
struct meter_due {
    uint64_t seq;
    int64_t at_ns, nano; /* at: the next one */
    bool monthly;
    int day; /* of the month, in the book's zone, that a monthly one repeats on (or the month's last) */
    char ref[TOPUP_REF_MAX + 1];
    bool dirty;
};

struct meter_account {
    struct meter_account *next; /* in its place in meter.by_id */
    uint64_t id;
    char name[ACCOUNT_NAME_MAX + 1];
    char upstream[ACCOUNT_NAME_MAX + 1]; /* the cloud where it is; "" = a tenant here */
    char prices_name[BOOK_NAME_MAX + 1], timetable_name[BOOK_NAME_MAX + 1];
    char next_prices[BOOK_NAME_MAX + 1], next_timetable[BOOK_NAME_MAX + 1]; /* from the next hour on; "" = as is */
    int64_t created_ns;
    bool charged; /* usage is posted: all but `default` and accounts at a cloud */
    const struct price_book *prices;
    const struct timetable *timetable;
    int64_t balance_nano;  /* cash in the ledger, the open hour not in it */
    int64_t reserved_nano; /* sum of what is held */
    int64_t credit_nano;
    int64_t late_fee_nano; /* share of the debt per day, in 10^-9 */
    int64_t max_age_ns;    /* at a cloud: of a balance */
    bool has_balance;      /* at a cloud: it was set at balance_ns, with this burn a day */
    int64_t balance_ns, burn_nano;
    int64_t grace_until_ns; /* 0 = none */
    bool below;             /* the last tick or payment found what is available below zero */
    int64_t below_since_ns;
    enum stage stage;
    bool dirty;
    uint64_t samples; /* ever taken for this account */
    struct meter_row **row;
    size_t n_rows, rows_size;
    int64_t stored[CLASS_COUNT]; /* bytes; a row below zero counts as empty */
    int64_t billed[CLASS_COUNT]; /* stored and padding */
    unsigned __int128 open[PRICE_CELLS];
    int64_t month;                      /* 202611: of run */
    unsigned __int128 run[PRICE_CELLS]; /* the month's quantity that went through the tiers, closed hours only */
    struct recent_use *recent;          /* hours ascending; cells that are not storage */
    size_t n_recent, recent_size;
    struct meter_pack *pack; /* by until, then seq */
    size_t n_packs;
    struct meter_voucher *voucher; /* by until, then seq */
    size_t n_vouchers;
    struct meter_due *due; /* by at, then seq */
    size_t n_dues;
};

/* One text of a price book, timetable or file of rates. */
struct book {
    struct book *next; /* in meter.books: every text ever parsed, kept because accounts and registry point into it */
    enum book_kind kind;
    struct price_book *prices;
    struct timetable *timetable;
    struct rates *rates;
    bool kept; /* the database has its text */
};
enum book_origin { BOOK_BUILT_IN, BOOK_FILE, BOOK_JOURNAL };
struct book_version {
    struct book *book;
    enum book_origin origin;
    uint64_t seq; /* of the newest record that said it; 0 = only a local text */
    bool offered; /* was handed out for recording */
};
/* One name. `current` is in force for the open hour. */
struct book_slot {
    enum book_kind kind;
    char name[BOOK_NAME_MAX + 1];
    struct book_version *version;
    size_t n, size;
    struct book *current;
    bool recorded; /* current comes from a record */
};
#define BOOK_SLOTS_MAX 256
#define BOOK_VERSIONS_MAX 1024 /* of one name */

/* What the reader decided and has no record yet: a change of stage, or a threshold of a budget. */
struct queued_note {
    enum rec_type type; /* REC_STAGE, REC_BUDGET */
    uint64_t account, cause;
    char name[ACCOUNT_NAME_MAX + 1];
    enum stage stage;
    uint64_t budget, level; /* BUDGET_MARK */
    int64_t from_ns;
};

struct notes;         /* the running minute: meter_note.c */
struct key_sums;      /* who used it, since the last flush: meter_keys.c */
struct small_objects; /* changes of small_object since the last flush: meter_small.c */

struct meter {
    struct os *os;
    struct journal *journal; /* NULL in tests that call meter_apply */
    struct registry *registry;
    struct notes *notes;
    bool inert;
    char data_dir[OS_PATH_MAX / 4];

    pthread_mutex_t turn; /* taken before lock and let go with it in hand: who waits comes next */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* for the reader: somebody waits, or it shall end */
    pthread_cond_t done; /* for those who wait: the cursor moved, or the reader failed */
    pthread_t thread;
    bool running, stopping;
    uint64_t wanted; /* the furthest sequence somebody waits for */
    enum rc failed;
    struct err reason;
    struct journal_reader *reader;

    struct sql *sql;
    bool in_txn;
    _Atomic uint64_t cursor; /* last applied */
    uint64_t committed;      /* last one in the database */
    struct arena arena;      /* of the record being applied */

    int64_t open_hour;
    int64_t last_slot; /* last 5 minutes that had a tick */
    int64_t last_ns;   /* time of the last record */
    struct meter_row **rows;
    size_t n_rows, rows_size;
    struct meter_row *dirty_rows;
    struct meter_account **by_id;
    size_t n_accounts, accounts_size;
    struct meter_account **account; /* in order of id */
    struct ledger_line *line;       /* scratch of the hour's closing */
    size_t n_lines, lines_size;
    struct key_sums *keys;
    struct small_objects *small;

    struct book *books;
    struct book_slot slot[BOOK_SLOTS_MAX];
    unsigned n_slots;

    pthread_mutex_t queue_lock;
    struct queued_note *queue;
    size_t n_queued, queue_size;
};

void meter_lock(struct meter *m);
void meter_unlock(struct meter *m);

/* ---- meter_state.c: accounts and rows ---- */
struct meter_account *meter_account_of(const struct meter *m, uint64_t id);
struct meter_account *meter_account_named(const struct meter *m, struct view name);
/* Takes over a; frees it when it cannot. */
enum rc meter_account_insert(struct meter *m, struct meter_account *a) HF_MUST_USE;
struct meter_row *meter_row_find(const struct meter *m, uint64_t account, uint64_t bucket);
/* The row, made when it is not there. */
enum rc meter_row_get(struct meter *m, struct meter_account *a, uint64_t bucket, struct meter_row **ret) HF_MUST_USE;
void meter_row_touch(struct meter *m, struct meter_row *r); /* samples it (M3) and marks it for the next flush */
void meter_row_remove(struct meter *m, struct meter_row *r);
void meter_row_settle(struct meter_row *r);
/* Changes what the row stores; it must have been touched. RC_LIMIT. */
enum rc meter_row_add(struct meter_row *r, enum storage_class class, int64_t bytes, int64_t objects,
                      int64_t padding) HF_MUST_USE;
void meter_account_sort(struct meter_account *a); /* rows by bucket */
void meter_account_sum(struct meter_account *a);  /* M4, from the rows, which are settled on the way */
void meter_state_clear(struct meter *m);
/* Bytes of a class that cost: a bucket that seems to hold less than nothing counts as empty. */
static inline int64_t stored_billed(int64_t stored)
{
    return stored > 0 ? stored : 0;
}
static inline int64_t row_billed(const struct meter_row *r, unsigned class)
{
    return stored_billed(r->stored[class]) + stored_billed(r->padding[class]);
}

/* ---- meter_db.c: the control database ----
 * Tables for queries: bucket (account, bucket, name, tags: url-encoded, as REC_BUCKET_SET said last), month_usage
 * (account, month 202611, bucket, cell, book, rate, ref, quantity_hi, quantity_lo, amount_nano, first_seq), hour_usage
 * (account, hour, cell, quantity_hi, quantity_lo, list_nano), month_key_usage (account, month, bucket, access_key,
 * cell, status, quantity_hi, quantity_lo), small_object (account, bucket, class, size, n), item (cell, name).
 * month_usage.rate: price_part.rate of the book; of late-fee the daily share in 10^-9 and the quantity is the debt in
 * nano; of pack and charge 0, and the quantity is 1. ref: of usage the seq of the pack that covered it, else 0; of pack
 * and charge the seq of their record. first_seq: of the record that made the line first, for its order in time. */
extern const char meter_schema[]; /* meter_schema.c: one migration */
enum rc meter_db_open(struct meter *m, struct err *e) HF_MUST_USE;
enum rc meter_db_load(struct meter *m, struct err *e) HF_MUST_USE;
/* Opens the batch's transaction when it is not open. Before every write. */
enum rc meter_txn(struct meter *m, struct err *e) HF_MUST_USE;
/* Writes what changed and the cursor, and commits. */
enum rc meter_commit(struct meter *m, struct err *e) HF_MUST_USE;
/* Puts sums that wait in memory into the open transaction, so that a query sees them: month_key_usage, small_object.
 * A failure has been handed to meter_fail. */
enum rc meter_flush(struct meter *m, struct err *e) HF_MUST_USE;
/* Forgets what was not committed and loads memory again. */
enum rc meter_reload(struct meter *m, struct err *e) HF_MUST_USE;
enum rc meter_row_named(struct meter *m, struct meter_row *r, struct view name, struct err *e) HF_MUST_USE;

/* ---- meter_books.c ---- */
enum rc meter_books_local(struct meter *m, struct err *e) HF_MUST_USE;
enum rc meter_books_load(struct meter *m, struct err *e) HF_MUST_USE;
void meter_books_free(struct meter *m);
/* In force for the open hour; NULL when there is no such name. */
const struct price_book *meter_prices(const struct meter *m, struct view name);
const struct timetable *meter_timetable(const struct meter *m, struct view name);
const struct rates *meter_rates(const struct meter *m); /* of the first name in byte order; NULL = none */
/* Any version ever parsed, as postings and month_usage cite it; NULL when unknown. */
const struct price_book *meter_prices_by_id(const struct meter *m, uint64_t id);
enum rc meter_books_apply(struct meter *m, const struct journal_rec *rec, const struct account_rec *r,
                          struct err *e) HF_MUST_USE;
/* A text that shall be recorded: parses, fits its name, keeps the currency. Fills r->name when it is empty. */
enum rc meter_books_check(struct meter *m, struct account_rec *r, bool *ret_repeat, struct err *e) HF_MUST_USE;
/* Puts the texts that are in force into the database, so that every posting's book can be looked up there. */
enum rc meter_books_keep(struct meter *m, struct err *e) HF_MUST_USE;
/* Another hour is open: books whose time has come, and changes of accounts, take over. */
enum rc meter_books_adopt(struct meter *m, struct err *e) HF_MUST_USE;
/* Looks the account's books up again. RC_NOT_FOUND when one is unknown. */
enum rc meter_account_books(struct meter *m, struct meter_account *a, struct err *e) HF_MUST_USE;

/* ---- meter_charge.c: what the open hour costs, and who pays ---- */
#define CHARGE_COVERED UINT32_MAX
struct charge_part {
    struct meter_row *row;
    unsigned cell;
    uint32_t rate; /* price_part.rate; CHARGE_COVERED: a pack's */
    uint64_t pack; /* seq; 0 = none */
    unsigned __int128 quantity;
    int64_t nano;
};
struct charge {
    struct charge_part *part; /* in order of bucket and cell */
    size_t n, size;
    int64_t total_nano, cash_nano;
    unsigned __int128 *pack_left; /* as account->pack: what would be left */
    int64_t *voucher_left;        /* as account->voucher */
    unsigned __int128 run[PRICE_CELLS];
};
/* The open hour as it would be closed now. Rows are sampled up to now (M3). Of an account that is not charged: amounts
 * 0, rate 0. RC_LIMIT, RC_NOMEM. charge_free in any case. */
enum rc meter_charge(struct meter *m, struct meter_account *a, struct charge *ret) HF_MUST_USE;
void charge_free(struct charge *c);
/* What the open hour will take in cash. */
enum rc meter_unsettled(struct meter *m, struct meter_account *a, int64_t *ret_nano) HF_MUST_USE;
/* Cash in the ledger less that. Of an account at a cloud: what was set, less its burn since (at now_ns). */
enum rc meter_balance(struct meter *m, struct meter_account *a, int64_t now_ns, int64_t *ret_nano) HF_MUST_USE;
/* Balance less reservations plus credit limit. */
enum rc meter_available(struct meter *m, struct meter_account *a, int64_t now_ns, int64_t *ret_nano) HF_MUST_USE;
enum rc meter_below_zero(struct meter *m, struct meter_account *a, int64_t now_ns, bool *ret) HF_MUST_USE;
/* What is available, to within a few nano and what vouchers would pay: for messages. */
int64_t meter_available_near(struct meter *m, struct meter_account *a, int64_t now_ns);
/* An account at a cloud whose balance was never set or is too old. */
static inline bool account_unknown(const struct meter_account *a, int64_t now_ns)
{
    return a->upstream[0] && (!a->has_balance || now_ns - a->balance_ns > a->max_age_ns);
}

/* ---- meter_hour.c: the hour's closing ---- */
/* Posts the open hour of every account, caused by the tick `seq`, and begins `hour`. */
enum rc meter_close_hour(struct meter *m, uint64_t seq, int64_t time_ns, int64_t hour, struct err *e) HF_MUST_USE;
/* 202611 for an hour since 1970, in a time zone. */
int64_t meter_month_of(int64_t hour, int32_t utc_offset_s);
/* The hour that record or tick times fall into. */
static inline int64_t hour_of(int64_t time_ns)
{
    return time_ns / NS_PER_S / HOUR_S;
}
/* Days since 1970 in the account's zone. */
static inline int64_t account_day(const struct meter_account *a, int64_t time_ns)
{
    return registry_day(time_ns, a->prices->utc_offset_s);
}
enum rc meter_add_to_month(struct meter *m, const struct meter_account *a, int64_t month, uint64_t seq,
                           const struct ledger_line *l, struct err *e) HF_MUST_USE;
/* Of hours after those there are. RC_NOMEM. */
enum rc meter_recent_add(struct meter_account *a, int64_t hour, unsigned cell, int64_t list_nano) HF_MUST_USE;
/* Fills a->month and a->run from month_usage. */
enum rc meter_run_load(struct meter *m, struct meter_account *a, struct err *e) HF_MUST_USE;

/* ---- meter_money.c: top-ups, vouchers, packs, reservations, refunds, charges, dues, grace, balances ---- */
enum rc meter_money_apply(struct meter *m, const struct journal_rec *rec, const struct account_rec *r,
                          struct err *e) HF_MUST_USE;
/* A tick: the late fee of a new day, vouchers that end, dues that pass. */
enum rc meter_money_tick(struct meter *m, struct meter_account *a, uint64_t seq, int64_t time_ns, bool new_day,
                         struct err *e) HF_MUST_USE;
/* What makes a unit has changed: packs keep their units. */
void meter_packs_convert(struct meter *m, struct meter_account *a);
/* ---- meter_money_db.c ---- */
enum rc meter_money_load(struct meter *m, struct meter_account *a, struct err *e) HF_MUST_USE;
enum rc meter_money_write(struct meter *m, struct meter_account *a, struct err *e) HF_MUST_USE;
/* "": every cell that books price; else items or groups ("storage", "requests.STANDARD", "egress.internet"), separated
 * by commas: each covers the cell of its name and those whose names begin with it and a point. */
bool meter_scope_parse(struct view scope, uint64_t *ret_cells);
/* Units of the cell, a plain decimal, as metered quantity; rounded down. */
enum rc meter_pack_quantity(const struct price_book *b, unsigned cell, int64_t hour, struct view units,
                            unsigned __int128 *ret) HF_MUST_USE;

/* ---- meter_quota.c ---- */
enum rc meter_quota_apply(struct meter *m, const struct journal_rec *rec, const struct account_rec *r,
                          struct err *e) HF_MUST_USE;
enum rc meter_quotas_load(struct meter *m,
                          struct err *e) HF_MUST_USE; /* limits and the day's counters, to the registry */

/* ---- meter_keys.c: who used it ---- */
enum rc key_sums_new(struct key_sums **ret) HF_MUST_USE;
void key_sums_free(struct key_sums *k);
void key_sums_clear(struct key_sums *k);
/* One line of usage of the open hour; kind is never ALL. */
enum rc meter_key_add(struct meter *m, const struct meter_account *a, const struct usage_line *u,
                      struct err *e) HF_MUST_USE;
enum rc meter_keys_write(struct meter *m, struct err *e) HF_MUST_USE;

/* ---- meter_small.c: objects below the minimum size ---- */
enum rc small_objects_new(struct small_objects **ret) HF_MUST_USE;
void small_objects_free(struct small_objects *s);
void small_objects_clear(struct small_objects *s);
/* by: +1 one came, -1 one went. Keeps padding; the row must have been touched. */
enum rc meter_small_add(struct meter *m, struct meter_row *r, enum storage_class class, uint64_t size, int64_t by,
                        struct err *e) HF_MUST_USE;
enum rc meter_small_write(struct meter *m, struct err *e) HF_MUST_USE;
/* Padding of all rows of the account from the table, by the book it has now; meter_account_sum makes its sums anew. */
enum rc meter_small_load(struct meter *m, struct meter_account *a, struct err *e) HF_MUST_USE;
/* What a minimum size of `min` would add to what is stored of the class in the account; the table must be flushed. */
enum rc meter_small_padding(struct meter *m, const struct meter_account *a, enum storage_class class, uint64_t min,
                            unsigned __int128 *ret_bytes, struct err *e) HF_MUST_USE;

/* ---- meter_stage.c ---- */
/* After a tick: since when below zero, which stage. */
enum rc meter_stage_tick(struct meter *m, struct meter_account *a, uint64_t cause, int64_t now_ns,
                         struct err *e) HF_MUST_USE;
/* After a record: lifts the stage when the account is not below zero any more, or has a grace. */
enum rc meter_stage_paid(struct meter *m, struct meter_account *a, uint64_t cause, int64_t now_ns,
                         struct err *e) HF_MUST_USE;
enum rc meter_stage_recorded(struct meter *m, const struct account_rec *r, uint64_t seq, struct err *e) HF_MUST_USE;
enum rc meter_stages_load(struct meter *m, struct err *e) HF_MUST_USE;
void meter_publish(struct meter *m, struct meter_account *a, int64_t now_ns); /* stage and balance, to the registry */
/* For the sequencer to write as a record. RC_NOMEM. */
enum rc meter_queue_note(struct meter *m, const struct queued_note *n) HF_MUST_USE;
/* Its record was applied: it need not be handed out any more. Compares type, account, cause, budget and level. */
void meter_note_recorded(struct meter *m, const struct queued_note *n);

/* ---- meter.c ---- */
/* The reader stops with this reason: what was not committed is forgotten, and the next reading begins there again. */
void meter_fail(struct meter *m, enum rc rc, const struct err *why);

/* ---- meter_apply.c ---- */
/* One record, in order; moves the cursor. After an error memory is only good for meter_reload. RC_CORRUPT: the record
 * cannot be understood, now or later. */
enum rc meter_apply(struct meter *m, const struct journal_rec *rec, struct err *e) HF_MUST_USE;
/* A record whose content cannot take effect is kept with the reason and changes nothing else. */
enum rc meter_refuse(struct meter *m, const struct journal_rec *rec, const char *why, struct err *e) HF_MUST_USE;

/* ---- meter_note.c ---- */
enum rc notes_new(struct notes **ret) HF_MUST_USE;
void notes_free(struct notes *n);

#endif
