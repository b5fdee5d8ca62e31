/* Holdfast: the double-entry ledger: postings, lines, top-ups. */
#include "account/ledger.h"

#define SPLIT_BASE 1000000000000000000LL

const char ledger_schema[] = "CREATE TABLE posting ("
                             " seq INTEGER NOT NULL," /* of the record that caused it */
                             " account INTEGER NOT NULL,"
                             " kind TEXT NOT NULL,"
                             " time_ns INTEGER NOT NULL,"
                             " hour INTEGER,"
                             " book INTEGER,"
                             " variable_nano INTEGER NOT NULL,"
                             " PRIMARY KEY (seq, account)) WITHOUT ROWID;"
                             "CREATE INDEX posting_hour ON posting (hour);"
                             "CREATE TABLE posting_line ("
                             " seq INTEGER NOT NULL,"
                             " account INTEGER NOT NULL,"
                             " no INTEGER NOT NULL,"
                             " ledger TEXT NOT NULL,"
                             " amount_nano INTEGER NOT NULL," /* credit positive */
                             " bucket INTEGER,"
                             " item TEXT,"
                             " quantity_hi INTEGER,"
                             " quantity_lo INTEGER,"
                             " PRIMARY KEY (seq, account, no)) WITHOUT ROWID;"
                             "CREATE TABLE topup ("
                             " account INTEGER NOT NULL,"
                             " seq INTEGER NOT NULL,"
                             " time_ns INTEGER NOT NULL,"
                             " amount_nano INTEGER NOT NULL,"
                             " ref TEXT NOT NULL,"
                             " refused INTEGER NOT NULL,"
                             " PRIMARY KEY (account, seq)) WITHOUT ROWID;"
                             "CREATE UNIQUE INDEX topup_ref ON topup (account, ref) WHERE ref <> '';";

static const char *const side_names[] = {"prepaid", "revenue", "cash"};
static const char *const kind_names[] = {"topup", "usage"};

void ledger_split(unsigned __int128 value, int64_t *ret_hi, int64_t *ret_lo)
{
    *ret_hi = (int64_t)(value / (unsigned __int128)SPLIT_BASE);
    *ret_lo = (int64_t)(value % (unsigned __int128)SPLIT_BASE);
}

unsigned __int128 ledger_join(int64_t hi, int64_t lo)
{
    return (unsigned __int128)hi * (unsigned __int128)SPLIT_BASE + (unsigned __int128)lo;
}

/* ---- postings ---- */

static void assert_balanced(const struct ledger_posting *p)
{
    __int128 sum = 0;
    for (size_t i = 0; i < p->n; i++)
        sum += p->line[i].amount_nano;
    HF_ASSERT(p->n >= 2 && sum == 0);
}

static enum rc post_line(struct sql *s, const struct ledger_posting *p, size_t no, struct err *e)
{
    const struct ledger_line *l = &p->line[no];
    int64_t hi, lo;

    if (!l->metered)
        return sql_exec(s, e, "INSERT INTO posting_line (seq, account, no, ledger, amount_nano) VALUES (?, ?, ?, ?, ?)",
                        "iiiti", (int64_t)p->seq, (int64_t)p->account, (int64_t)no, side_names[l->side],
                        l->amount_nano);
    ledger_split(l->quantity, &hi, &lo);
    return sql_exec(s, e,
                    "INSERT INTO posting_line (seq, account, no, ledger, amount_nano, bucket, item, quantity_hi, "
                    "quantity_lo) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    "iiitiitii", (int64_t)p->seq, (int64_t)p->account, (int64_t)no, side_names[l->side], l->amount_nano,
                    (int64_t)l->bucket, price_cell_name(l->cell), hi, lo);
}

static int64_t variable_part(const struct ledger_posting *p)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->line[i].metered && p->line[i].cell >= price_cell(ITEM_REQUESTS, 0))
            sum += p->line[i].amount_nano;
    }
    return sum;
}

enum rc ledger_post(struct sql *s, const struct ledger_posting *p, struct err *e)
{
    assert_balanced(p);
    HF_TRY(sql_exec(s, e,
                    "INSERT INTO posting (seq, account, kind, time_ns, hour, book, variable_nano) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    "iitiiii", (int64_t)p->seq, (int64_t)p->account, kind_names[p->kind], p->time_ns, p->hour,
                    (int64_t)p->book, variable_part(p)));
    for (size_t i = 0; i < p->n; i++)
        HF_TRY(post_line(s, p, i, e));
    return RC_OK;
}

enum rc ledger_hours(struct sql *s, int64_t after, enum rc (*fn)(void *ctx, const struct ledger_hour *h), void *ctx,
                     struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(s, e, &q, "SELECT account, hour, variable_nano FROM posting WHERE hour > ? AND kind = 'usage'",
                     "i", after));
    while ((rc = sql_next(q, e)) == RC_OK) {
        struct ledger_hour h = {(uint64_t)sql_i64(q, 0), sql_i64(q, 1), sql_i64(q, 2)};
        rc = fn(ctx, &h);
        if (rc != RC_OK) {
            sql_done(q);
            return rc;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

/* ---- top-ups ---- */

static enum rc ref_seen(struct sql *s, uint64_t account, struct view ref, bool *ret, struct err *e)
{
    struct sql_stmt *q;

    *ret = false;
    if (ref.n == 0)
        return RC_OK;
    HF_TRY(sql_query(s, e, &q, "SELECT 1 FROM topup WHERE account = ? AND ref = ? AND ref <> ''", "iv",
                     (int64_t)account, ref));
    enum rc rc = sql_next(q, e);
    if (rc == RC_END)
        return RC_OK;
    HF_TRY(rc);
    sql_done(q);
    *ret = true;
    return RC_OK;
}

enum rc ledger_topup(struct sql *s, const struct ledger_topup *t, struct err *e)
{
    const struct ledger_line lines[] = {{.side = LEDGER_PREPAID, .amount_nano = t->amount_nano},
                                        {.side = LEDGER_CASH, .amount_nano = -t->amount_nano}};
    const struct ledger_posting p = {.seq = t->seq,
                                     .account = t->account,
                                     .kind = LEDGER_TOPUP,
                                     .time_ns = t->time_ns,
                                     .line = lines,
                                     .n = sizeof(lines) / sizeof(lines[0])};
    bool seen;

    HF_ASSERT(t->amount_nano > 0);
    HF_TRY(ref_seen(s, t->account, t->ref, &seen, e));
    if (seen)
        return RC_EXISTS;
    HF_TRY(sql_exec(
        s, e, "INSERT INTO topup (account, seq, time_ns, amount_nano, ref, refused) VALUES (?, ?, ?, ?, ?, ?)",
        "iiiivi", (int64_t)t->account, (int64_t)t->seq, t->time_ns, t->amount_nano, t->ref, (int64_t)t->refused));
    return t->refused ? RC_OK : ledger_post(s, &p, e);
}

enum rc ledger_topups(struct sql *s, uint64_t account, int64_t from_ns, int64_t to_ns,
                      enum rc (*fn)(void *ctx, const struct ledger_topup *t), void *ctx, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(s, e, &q,
                     "SELECT seq, time_ns, amount_nano, ref FROM topup WHERE account = ? AND time_ns >= ? AND "
                     "time_ns < ? AND refused = 0 ORDER BY seq",
                     "iii", (int64_t)account, from_ns, to_ns));
    while ((rc = sql_next(q, e)) == RC_OK) {
        struct ledger_topup t = {.seq = (uint64_t)sql_i64(q, 0),
                                 .account = account,
                                 .time_ns = sql_i64(q, 1),
                                 .amount_nano = sql_i64(q, 2),
                                 .ref = sql_text(q, 3)};
        rc = fn(ctx, &t);
        if (rc != RC_OK) {
            sql_done(q);
            return rc;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

/* ---- checks ---- */

enum rc ledger_balance(struct sql *s, uint64_t account, int64_t *ret_nano, struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(s, e, &q,
                     "SELECT COALESCE(SUM(amount_nano), 0) FROM posting_line WHERE account = ? AND ledger = 'prepaid'",
                     "i", (int64_t)account));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? RC_CORRUPT : rc;
    *ret_nano = sql_i64(q, 0);
    sql_done(q);
    return RC_OK;
}

void ledger_feed_i64(struct digest *d, int64_t v)
{
    uint8_t bytes[8];
    be64_put(bytes, (uint64_t)v);
    digest_update(d, bytes, sizeof(bytes));
}

void ledger_feed_view(struct digest *d, struct view v)
{
    ledger_feed_i64(d, (int64_t)v.n);
    digest_update(d, v.p, v.n);
}

static enum rc digest_postings(struct sql *s, struct digest *d, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(
        sql_query(s, e, &q, "SELECT seq, account, time_ns, hour, book, kind FROM posting ORDER BY seq, account", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        for (int i = 0; i < 5; i++)
            ledger_feed_i64(d, sql_i64(q, i));
        ledger_feed_view(d, sql_text(q, 5));
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc digest_lines(struct sql *s, struct digest *d, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(s, e, &q,
                     "SELECT seq, account, no, amount_nano, bucket, quantity_hi, quantity_lo, ledger, item "
                     "FROM posting_line ORDER BY seq, account, no",
                     ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        for (int i = 0; i < 7; i++)
            ledger_feed_i64(d, sql_i64(q, i));
        ledger_feed_view(d, sql_text(q, 7));
        ledger_feed_view(d, sql_text(q, 8));
    }
    return rc == RC_END ? RC_OK : rc;
}

static enum rc digest_topups(struct sql *s, struct digest *d, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(s, e, &q,
                     "SELECT account, seq, time_ns, amount_nano, refused, ref FROM topup ORDER BY account, seq", ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        for (int i = 0; i < 5; i++)
            ledger_feed_i64(d, sql_i64(q, i));
        ledger_feed_view(d, sql_text(q, 5));
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc ledger_digest(struct sql *s, struct digest *d, struct err *e)
{
    HF_TRY(digest_postings(s, d, e));
    HF_TRY(digest_lines(s, d, e));
    return digest_topups(s, d, e);
}
