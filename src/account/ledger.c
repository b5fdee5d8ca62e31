/* Holdfast: the double-entry ledger: postings, lines, records of money. */
#include "account/ledger.h"

#define SPLIT_BASE 1000000000000000000LL
#define LINE_BITS 24 /* LEDGER_LINES_MAX */

/* A line's id is its posting's, then its place in it: lines are only ever appended at the end of their table, which is
 * what SQLite does fastest, and a posting's lines are a range. */
const char ledger_schema[] =
    "CREATE TABLE posting ("
    " id INTEGER PRIMARY KEY,"
    " account INTEGER NOT NULL,"
    " seq INTEGER NOT NULL," /* of the record that caused it */
    " kind INTEGER NOT NULL,"
    " time_ns INTEGER NOT NULL,"
    " hour INTEGER NOT NULL,"
    " book INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX posting_cause ON posting (account, seq, kind);"
    "CREATE TABLE posting_line ("
    " id INTEGER PRIMARY KEY,"       /* posting.id * 2^24 + place */
    " side INTEGER NOT NULL,"        /* ledger_side.id */
    " amount_nano INTEGER NOT NULL," /* credit positive */
    " ref INTEGER,"
    " bucket INTEGER,"
    " cell INTEGER," /* item.cell */
    " rate INTEGER,"
    " quantity_hi INTEGER,"
    " quantity_lo INTEGER);"
    "CREATE TABLE money ("
    " account INTEGER NOT NULL,"
    " seq INTEGER NOT NULL,"
    " kind INTEGER NOT NULL,"
    " time_ns INTEGER NOT NULL,"
    " amount_nano INTEGER NOT NULL,"
    " ref TEXT NOT NULL,"
    " names TEXT NOT NULL,"
    " note TEXT NOT NULL,"
    " scope TEXT NOT NULL,"
    " quantity TEXT NOT NULL,"
    " from_ns INTEGER NOT NULL,"
    " until_ns INTEGER NOT NULL,"
    " monthly INTEGER NOT NULL,"
    " refused INTEGER NOT NULL,"
    " PRIMARY KEY (account, seq)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX money_ref ON money (account, ref) WHERE ref <> '';"
    "CREATE TABLE ledger_side (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "CREATE TABLE ledger_kind (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "CREATE TABLE item (cell INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "CREATE VIEW ledger AS SELECT p.seq, p.account, k.name AS kind, p.time_ns, p.hour, p.book, l.id & 16777215 AS no,"
    " s.name AS side, l.amount_nano, l.bucket, i.name AS item, l.rate, l.ref, l.quantity_hi, l.quantity_lo"
    " FROM posting_line l JOIN posting p ON p.id = l.id >> 24 JOIN ledger_side s ON s.id = l.side"
    " JOIN ledger_kind k ON k.id = p.kind LEFT JOIN item i ON i.cell = l.cell;";

static const char *const side_names[LEDGER_SIDES] = {"prepaid", "revenue", "cash", "voucher", "promotion", "external"};
static const char *const kind_names[LEDGER_KINDS] = {
    "topup",  "usage",  "voucher",  "voucher-end", "pack", "reserve",    "release", "refund",
    "charge", "credit", "late-fee", "balance",     "due",  "due-cancel", "grace",   "grace-cancel"};

const char *ledger_kind_name(enum ledger_kind k)
{
    HF_ASSERT((unsigned)k < LEDGER_KINDS);
    return kind_names[k];
}

enum rc ledger_names(struct sql *s, struct err *e)
{
    for (int64_t i = 0; i < LEDGER_SIDES; i++)
        HF_TRY(sql_exec(s, e, "INSERT OR REPLACE INTO ledger_side (id, name) VALUES (?, ?)", "it", i, side_names[i]));
    for (int64_t i = 0; i < LEDGER_KINDS; i++)
        HF_TRY(sql_exec(s, e, "INSERT OR REPLACE INTO ledger_kind (id, name) VALUES (?, ?)", "it", i, kind_names[i]));
    for (int64_t i = 0; i < CELL_COUNT; i++)
        HF_TRY(sql_exec(s, e, "INSERT OR REPLACE INTO item (cell, name) VALUES (?, ?)", "it", i,
                        price_cell_name((unsigned)i)));
    return RC_OK;
}

void ledger_split(unsigned __int128 value, int64_t *ret_hi, int64_t *ret_lo)
{
    if (value < (unsigned __int128)SPLIT_BASE) { /* nearly all: no division of 128 bits */
        *ret_hi = 0;
        *ret_lo = (int64_t)value;
        return;
    }
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
    HF_ASSERT(p->n >= 2 && p->n < LEDGER_LINES_MAX && sum == 0);
}

#define LINE_COLUMNS 9
#define LINES_AT_ONCE 16 /* in one statement: most of the cost of a line is that of its statement */
#define ROW_1 "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define ROW_4 ROW_1 ", " ROW_1 ", " ROW_1 ", " ROW_1
#define ROW_16 ROW_4 ", " ROW_4 ", " ROW_4 ", " ROW_4

static void fill_line(const struct ledger_line *l, int64_t id, int64_t column[LINE_COLUMNS])
{
    column[0] = id;
    column[1] = (int64_t)l->side;
    column[2] = l->amount_nano;
    column[3] = (int64_t)l->ref;
    column[4] = (int64_t)l->bucket;
    column[5] = l->cell;
    column[6] = l->rate;
    ledger_split(l->quantity, &column[7], &column[8]);
}

static enum rc post_metered(struct sql *s, const struct ledger_line *l, size_t n, int64_t id, struct err *e)
{
    int64_t column[LINES_AT_ONCE * LINE_COLUMNS];

    for (size_t i = 0; i < n; i++)
        fill_line(&l[i], id + (int64_t)i, &column[i * LINE_COLUMNS]);
    return sql_exec_i64(
        s, e, n == LINES_AT_ONCE ? "INSERT INTO posting_line VALUES " ROW_16 : "INSERT INTO posting_line VALUES " ROW_1,
        column, (unsigned)n * LINE_COLUMNS);
}

static bool all_metered(const struct ledger_line *l, size_t n)
{
    while (n > 0 && l[n - 1].metered)
        n--;
    return n == 0;
}

/* The first lines at l: one, or as many metered ones as go at once. */
static enum rc post_some(struct sql *s, const struct ledger_line *l, size_t n, int64_t id, size_t *ret_done,
                         struct err *e)
{
    *ret_done = n >= LINES_AT_ONCE && all_metered(l, LINES_AT_ONCE) ? LINES_AT_ONCE : 1;
    if (l->metered)
        return post_metered(s, l, *ret_done, id, e);
    return sql_exec(s, e, "INSERT INTO posting_line (id, side, amount_nano, ref) VALUES (?, ?, ?, ?)", "iiii", id,
                    (int64_t)l->side, l->amount_nano, (int64_t)l->ref);
}

enum rc ledger_post(struct sql *s, const struct ledger_posting *p, struct err *e)
{
    assert_balanced(p);
    HF_TRY(sql_exec(s, e, "INSERT INTO posting (account, seq, kind, time_ns, hour, book) VALUES (?, ?, ?, ?, ?, ?)",
                    "iiiiii", (int64_t)p->account, (int64_t)p->seq, (int64_t)p->kind, p->time_ns, p->hour,
                    (int64_t)p->book));
    int64_t first = sql_last_id(s) << LINE_BITS;
    for (size_t i = 0, done; i < p->n; i += done)
        HF_TRY(post_some(s, &p->line[i], p->n - i, first + (int64_t)i, &done, e));
    return RC_OK;
}

/* ---- records of money ---- */

static enum rc ref_seen(struct sql *s, uint64_t account, struct view ref, bool *ret, struct err *e)
{
    struct sql_stmt *q;

    *ret = false;
    if (ref.n == 0)
        return RC_OK;
    HF_TRY(sql_query(s, e, &q, "SELECT 1 FROM money WHERE account = ? AND ref = ? AND ref <> ''", "iv",
                     (int64_t)account, ref));
    enum rc rc = sql_next(q, e);
    if (rc == RC_END)
        return RC_OK;
    HF_TRY(rc);
    sql_done(q);
    *ret = true;
    return RC_OK;
}

enum rc ledger_money_keep(struct sql *s, const struct ledger_money *m, struct err *e)
{
    bool seen;

    HF_TRY(ref_seen(s, m->account, m->ref, &seen, e));
    if (seen)
        return RC_EXISTS;
    return sql_exec(s, e, "INSERT INTO money VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "iiiiivvvvviiii",
                    (int64_t)m->account, (int64_t)m->seq, (int64_t)m->kind, m->time_ns, m->amount_nano, m->ref,
                    m->names, m->note, m->scope, m->quantity, m->from_ns, m->until_ns, (int64_t)m->monthly,
                    (int64_t)m->refused);
}

#define MONEY_COLUMNS                                                                                                  \
    "account, seq, kind, time_ns, amount_nano, ref, names, note, scope, quantity, from_ns, until_ns, monthly, refused"

static enum rc give_money(struct sql_stmt *q, ledger_money_fn *fn, void *ctx)
{
    struct ledger_money m = {.account = (uint64_t)sql_i64(q, 0),
                             .seq = (uint64_t)sql_i64(q, 1),
                             .kind = (enum ledger_kind)sql_i64(q, 2),
                             .time_ns = sql_i64(q, 3),
                             .amount_nano = sql_i64(q, 4),
                             .ref = sql_text(q, 5),
                             .names = sql_text(q, 6),
                             .note = sql_text(q, 7),
                             .scope = sql_text(q, 8),
                             .quantity = sql_text(q, 9),
                             .from_ns = sql_i64(q, 10),
                             .until_ns = sql_i64(q, 11),
                             .monthly = sql_i64(q, 12) != 0,
                             .refused = sql_i64(q, 13) != 0};
    return (unsigned)m.kind < LEDGER_KINDS ? fn(ctx, &m) : RC_CORRUPT;
}

static enum rc give_each(struct sql_stmt *q, ledger_money_fn *fn, void *ctx, size_t *ret_n, struct err *e)
{
    enum rc rc;

    *ret_n = 0;
    while ((rc = sql_next(q, e)) == RC_OK) {
        rc = give_money(q, fn, ctx);
        ++*ret_n;
        if (rc != RC_OK) {
            sql_done(q);
            return rc;
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc ledger_money_each(struct sql *s, uint64_t account, int64_t from_ns, int64_t to_ns, ledger_money_fn *fn,
                          void *ctx, struct err *e)
{
    struct sql_stmt *q;
    size_t n;

    HF_TRY(sql_query(s, e, &q,
                     "SELECT " MONEY_COLUMNS " FROM money WHERE account = ? AND time_ns >= ? AND time_ns < ? AND "
                     "refused = 0 ORDER BY seq",
                     "iii", (int64_t)account, from_ns, to_ns));
    return give_each(q, fn, ctx, &n, e);
}

enum rc ledger_money_find(struct sql *s, uint64_t account, struct view ref, ledger_money_fn *fn, void *ctx,
                          struct err *e)
{
    struct sql_stmt *q;
    size_t n;

    if (ref.n == 0)
        return RC_NOT_FOUND;
    HF_TRY(sql_query(s, e, &q, "SELECT " MONEY_COLUMNS " FROM money WHERE account = ? AND ref = ? AND ref <> ''", "iv",
                     (int64_t)account, ref));
    HF_TRY(give_each(q, fn, ctx, &n, e));
    return n > 0 ? RC_OK : RC_NOT_FOUND;
}

/* ---- checks ---- */

enum rc ledger_sum(struct sql *s, uint64_t account, enum ledger_side side, int64_t *ret_nano, struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(s, e, &q,
                     "SELECT COALESCE(SUM(l.amount_nano), 0) FROM posting p JOIN posting_line l "
                     "ON l.id >= (p.id << 24) AND l.id < ((p.id + 1) << 24) WHERE p.account = ? AND l.side = ?",
                     "ii", (int64_t)account, (int64_t)side));
    enum rc rc = sql_next(q, e);
    if (rc != RC_OK)
        return rc == RC_END ? RC_CORRUPT : rc;
    *ret_nano = sql_i64(q, 0);
    sql_done(q);
    return RC_OK;
}

enum rc ledger_balance(struct sql *s, uint64_t account, int64_t *ret_nano, struct err *e)
{
    return ledger_sum(s, account, LEDGER_PREPAID, ret_nano, e);
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

/* `numbers` columns of numbers, then `texts` of text, of each row. */
static enum rc feed_rows(struct sql_stmt *q, struct digest *d, int numbers, int texts, struct err *e)
{
    enum rc rc;

    while ((rc = sql_next(q, e)) == RC_OK) {
        for (int i = 0; i < numbers; i++)
            ledger_feed_i64(d, sql_i64(q, i));
        for (int i = 0; i < texts; i++)
            ledger_feed_view(d, sql_text(q, numbers + i));
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc ledger_digest(struct sql *s, struct digest *d, struct err *e)
{
    struct sql_stmt *q;

    HF_TRY(sql_query(s, e, &q, "SELECT id, account, seq, kind, time_ns, hour, book FROM posting ORDER BY id", ""));
    HF_TRY(feed_rows(q, d, 7, 0, e));
    HF_TRY(sql_query(s, e, &q,
                     "SELECT id, side, amount_nano, ref, bucket, cell, rate, quantity_hi, quantity_lo "
                     "FROM posting_line ORDER BY id",
                     ""));
    HF_TRY(feed_rows(q, d, 9, 0, e));
    HF_TRY(sql_query(s, e, &q,
                     "SELECT account, seq, kind, time_ns, amount_nano, from_ns, until_ns, monthly, refused, "
                     "ref, names, note, scope, quantity FROM money ORDER BY account, seq",
                     ""));
    return feed_rows(q, d, 9, 5, e);
}
