/* Holdfast: the meter's state and what its files share.
 *
 * Memory holds what each record touches: accounts and, per (account, bucket), the stored bytes and the open hour's
 * sums. The database holds the same as of the last commit, and everything that is closed: postings, months, keys,
 * changes of stage, books.
 *
 * Invariants (tests/unit/test_meter.c):
 *  M1 Cursor, sums, postings and stages commit in one transaction; a transaction that is dropped leaves memory to be
 *     loaded again (meter_reload), so memory never runs ahead of a database that has forgotten
 *     [crash_at_any_point_replays_to_the_same_digest].
 *  M2 The result is a function of the records alone: not of the batching, the thread, or when it was asked
 *     [digest_does_not_depend_on_batching].
 *  M3 Sampling is lazy: a row is sampled when it changes, is closed or is asked for; `sampled` says up to which sample
 * it has been. sum = sum so far + stored * (samples - sampled), because stored stood still in between. M4 An account's
 * `stored` and `open` are the sums over its rows, except that storage is sampled into `open` at every tick. Locks:
 * `turn` then `lock` (meter_lock) guard everything here but notes, stages and the registry, which have their own.
 * Functions that take struct meter expect the lock to be held unless they are in meter.h. */
#ifndef HF_METER_PRIV_H
#define HF_METER_PRIV_H

#include "account/ledger.h"
#include "account/registry.h"
#include "meter/meter.h"

#define HOUR_S 3600
#define NO_HOUR INT64_MIN /* before the first usage or tick */
#define RECENT_HOURS 24   /* the burn of requests and egress looks so far back, the open hour included */
#define TABLE_START 256   /* of rows and accounts; a power of two */
#define METER_BATCH_RECORDS 512
#define METER_COMMIT_RECORDS 65536  /* a commit at the latest after so many records */
#define METER_COMMIT_NS 500000000LL /* or after so long */

struct meter_account;

/* One (account, bucket). */
struct meter_row {
    struct meter_row *next; /* in its place in meter.rows */
    struct meter_row *next_dirty;
    struct meter_account *account;
    size_t at; /* in account->row */
    uint64_t bucket;
    char name[BUCKET_NAME_MAX + 1];
    int64_t stored[CLASS_COUNT];
    unsigned __int128 open[PRICE_CELLS]; /* sums of the open hour */
    uint64_t sampled;                    /* M3 */
    bool dirty;
    unsigned written; /* bit per cell that the database has */
};

struct recent_hour {
    int64_t hour;
    int64_t variable_nano;
};

struct meter_account {
    struct meter_account *next; /* in its place in meter.by_id */
    uint64_t id;
    char name[ACCOUNT_NAME_MAX + 1];
    char prices_name[BOOK_NAME_MAX + 1], timetable_name[BOOK_NAME_MAX + 1];
    int64_t created_ns;
    bool charged; /* all but `default` */
    const struct price_book *prices;
    const struct timetable *timetable;
    int64_t balance_nano; /* of the ledger, the open hour not in it */
    bool below;           /* the last tick or top-up found the effective balance below zero */
    int64_t below_since_ns;
    enum stage stage;
    bool dirty;
    struct meter_row **row;
    size_t n_rows, rows_size;
    int64_t stored[CLASS_COUNT];
    unsigned __int128 open[PRICE_CELLS];
    struct recent_hour recent[RECENT_HOURS]; /* at hour % RECENT_HOURS */
};

/* One name of a price book or timetable. `current` is what the journal said last and an hour has begun since; `pending`
 * takes over when the open hour closes, so that one hour has one price. Without either, the local one is used. */
struct book {
    struct book *next; /* in meter.books: every text ever parsed, kept because accounts and registry point into it */
    bool is_timetable;
    struct price_book *prices;
    struct timetable *timetable;
    bool kept; /* the database has its text */
};
struct book_slot {
    bool is_timetable;
    char name[BOOK_NAME_MAX + 1];
    struct book *local, *current, *pending;
    uint64_t offered; /* id of the local text that was handed out for recording */
};
#define BOOK_SLOTS_MAX 256

/* A change of stage that has no REC_STAGE yet. */
struct stage_note {
    uint64_t account, cause;
    enum stage stage;
    char name[ACCOUNT_NAME_MAX + 1];
};

struct notes; /* the running minute: meter_note.c */

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
    int64_t last_slot; /* last 5 minutes that were sampled */
    uint64_t samples;  /* ever taken */
    struct meter_row **rows;
    size_t n_rows, rows_size;
    struct meter_row *dirty_rows;
    struct meter_account **by_id;
    size_t n_accounts, accounts_size;
    struct meter_account **account; /* in order of id */
    struct ledger_line *line;       /* scratch of the hour's closing */
    size_t n_lines, lines_size;

    struct book *books;
    struct book_slot slot[BOOK_SLOTS_MAX];
    unsigned n_slots;

    pthread_mutex_t stage_lock;
    struct stage_note *stage;
    size_t n_stages, stages_size;
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
void meter_row_settle(const struct meter *m, struct meter_row *r);
void meter_account_sort(struct meter_account *a); /* rows by bucket */
void meter_state_clear(struct meter *m);
/* What a bucket of stored bytes counts for: a bucket that seems to hold less than nothing counts as empty. */
static inline int64_t stored_billed(int64_t stored)
{
    return stored > 0 ? stored : 0;
}

/* ---- meter_db.c: the control database ---- */
enum rc meter_db_open(struct meter *m, struct err *e) HF_MUST_USE;
enum rc meter_db_load(struct meter *m, struct err *e) HF_MUST_USE;
/* Opens the batch's transaction when it is not open. Before every write. */
enum rc meter_txn(struct meter *m, struct err *e) HF_MUST_USE;
/* Writes what changed and the cursor, and commits. */
enum rc meter_commit(struct meter *m, struct err *e) HF_MUST_USE;
/* Forgets what was not committed and loads memory again. */
enum rc meter_reload(struct meter *m, struct err *e) HF_MUST_USE;
enum rc meter_row_named(struct meter *m, struct meter_row *r, struct view name, struct err *e) HF_MUST_USE;

/* ---- meter_books.c ---- */
enum rc meter_books_local(struct meter *m, struct err *e) HF_MUST_USE;
enum rc meter_books_load(struct meter *m, struct err *e) HF_MUST_USE;
void meter_books_free(struct meter *m);
const struct price_book *meter_prices(const struct meter *m, struct view name);
const struct timetable *meter_timetable(const struct meter *m, struct view name);
enum rc meter_books_apply(struct meter *m, const struct account_rec *r, struct err *e) HF_MUST_USE;
/* Puts the texts that are in force into the database, so that every posting's book can be looked up there. */
enum rc meter_books_keep(struct meter *m, struct err *e) HF_MUST_USE;
/* The hour was closed: pending books take over. */
enum rc meter_books_adopt(struct meter *m, struct err *e) HF_MUST_USE;
/* Looks the account's books up again. RC_NOT_FOUND when one is unknown. */
enum rc meter_account_books(struct meter *m, struct meter_account *a, struct err *e) HF_MUST_USE;

/* ---- meter_rate.c: what things cost ---- */
/* What the open hour would be posted with, line by line. 0 for an account that is not charged. */
enum rc meter_unsettled(const struct meter *m, const struct meter_account *a, int64_t *ret_nano) HF_MUST_USE;
/* Ledger less open hour. */
enum rc meter_balance(const struct meter *m, const struct meter_account *a, int64_t *ret_nano) HF_MUST_USE;
/* The same to within a few nano, without a look at each row. */
enum rc meter_balance_near(const struct meter_account *a, int64_t *ret_nano) HF_MUST_USE;
enum rc meter_below_zero(const struct meter *m, const struct meter_account *a, bool *ret) HF_MUST_USE;
/* A day's storage of what is stored now, and requests and egress of the last 24 hours. */
enum rc meter_burn(const struct meter *m, const struct meter_account *a, int64_t *ret_nano) HF_MUST_USE;

/* ---- meter_hour.c: the hour's closing ---- */
/* Posts the open hour of every account, caused by the tick `seq`, and begins `hour`. */
enum rc meter_close_hour(struct meter *m, uint64_t seq, int64_t time_ns, int64_t hour, struct err *e) HF_MUST_USE;
/* 202611 for an hour since 1970, in a time zone. */
int64_t meter_month_of(int64_t hour, int32_t utc_offset_s);

/* ---- meter_stage.c ---- */
/* After a tick: since when below zero, which stage. */
enum rc meter_stage_tick(struct meter *m, struct meter_account *a, uint64_t cause, int64_t now_ns,
                         struct err *e) HF_MUST_USE;
/* After a top-up: lifts the stage when the balance is not below zero any more. */
enum rc meter_stage_paid(struct meter *m, struct meter_account *a, uint64_t cause, int64_t now_ns,
                         struct err *e) HF_MUST_USE;
enum rc meter_stage_recorded(struct meter *m, const struct account_rec *r, uint64_t seq, struct err *e) HF_MUST_USE;
enum rc meter_stages_load(struct meter *m, struct err *e) HF_MUST_USE;
void meter_publish(struct meter *m, const struct meter_account *a); /* stage and balance, to the registry */

/* ---- meter.c ---- */
/* The reader stops with this reason: what was not committed is forgotten, and the next reading begins there again. */
void meter_fail(struct meter *m, enum rc rc, const struct err *why);

/* ---- meter_apply.c ---- */
/* One record, in order; moves the cursor. After an error memory is only good for meter_reload. RC_CORRUPT: the record
 * cannot be understood, now or later. */
enum rc meter_apply(struct meter *m, const struct journal_rec *rec, struct err *e) HF_MUST_USE;

/* ---- meter_note.c ---- */
enum rc notes_new(struct notes **ret) HF_MUST_USE;
void notes_free(struct notes *n);

#endif
