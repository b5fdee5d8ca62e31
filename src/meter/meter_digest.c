/* Holdfast: a hash over everything that the records made, in one order, to compare a replay with the live ledger. */
#include "meter/budget.h"

/* Rows are sampled up to now and written, so that the tables say the same whenever they were last touched (M2, M3). */
static enum rc settle_all(struct meter *m, struct err *e)
{
    for (size_t i = 0; i < m->n_accounts; i++) {
        for (size_t j = 0; j < m->account[i]->n_rows; j++)
            meter_row_touch(m, m->account[i]->row[j]);
    }
    struct err why = {.text = ""};
    enum rc rc = meter_commit(m, &why);
    if (rc == RC_OK)
        return RC_OK;
    meter_fail(m, rc, &why);
    return err_set(e, rc, "%s", why.text);
}

/* `columns` numbers, then one text, of each row. */
static enum rc feed(struct meter *m, struct digest *d, const char *text, int columns, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q, text, ""));
    while ((rc = sql_next(q, e)) == RC_OK) {
        for (int i = 0; i < columns; i++)
            ledger_feed_i64(d, sql_i64(q, i));
        ledger_feed_view(d, sql_text(q, columns));
    }
    ledger_feed_i64(d, -1); /* ends a table */
    return rc == RC_END ? RC_OK : rc;
}

/* Every table in an order of its own; the text is the last column. */
static const struct table {
    const char *text;
    int numbers;
} tables[] = {
    {"SELECT id, created_ns, balance_nano, reserved_nano, credit_nano, late_fee_nano, max_age_ns, "
     "COALESCE(balance_ns, -1), burn_nano, grace_until_ns, COALESCE(below_since_ns, -1), stage, samples, "
     "name || ' ' || upstream || ' ' || prices || ' ' || timetable || ' ' || next_prices || ' ' || next_timetable "
     "FROM account ORDER BY id",
     13},
    {"SELECT account, bucket, class, bytes, objects, '' FROM stored ORDER BY account, bucket, class", 5},
    {"SELECT account, bucket, cell, quantity_hi, quantity_lo, '' FROM open_usage ORDER BY account, bucket, cell", 5},
    {"SELECT account, bucket, day, requests, egress, '' FROM day_usage ORDER BY account, bucket", 5},
    {"SELECT account, bucket, class, size, n, '' FROM small_object ORDER BY account, bucket, class, size", 5},
    {"SELECT account, month, bucket, cell, book, rate, ref, first_seq, quantity_hi, quantity_lo, amount_nano, '' "
     "FROM month_usage ORDER BY account, month, bucket, cell, book, rate, ref",
     11},
    {"SELECT account, hour, cell, quantity_hi, quantity_lo, list_nano, '' FROM hour_usage ORDER BY account, hour, cell",
     6},
    {"SELECT account, month, bucket, cell, status, quantity_hi, quantity_lo, access_key FROM month_key_usage "
     "ORDER BY account, month, bucket, access_key, cell, status",
     7},
    {"SELECT account, bucket, name || ' ' || tags FROM bucket ORDER BY account, bucket", 2},
    {"SELECT account, seq, cell, from_ns, until_ns, quantity_hi, quantity_lo, left_hi, left_lo, ended, '' FROM pack "
     "ORDER BY account, seq",
     10},
    {"SELECT account, seq, cells, from_ns, until_ns, amount_nano, left_nano, ended, '' FROM voucher "
     "ORDER BY account, seq",
     8},
    {"SELECT account, seq, amount_nano, ref FROM reservation ORDER BY account, seq", 3},
    {"SELECT account, seq, at_ns, amount_nano, monthly, day, ref FROM due ORDER BY account, seq", 6},
    {"SELECT account, bytes, objects, requests_day, egress_day, bucket FROM quota ORDER BY account, bucket", 5},
    {"SELECT cause, account, from_stage, to_stage, time_ns, '' FROM stage_change ORDER BY cause, account", 5},
    {"SELECT account, seq, created_ns, COALESCE(revoked_ns, -1), access_key FROM access_key ORDER BY access_key", 4},
    {"SELECT kind, id, seq, name FROM book_version ORDER BY kind, name, id", 3},
    {"SELECT kind, current, name FROM book_slot ORDER BY kind, name", 2},
    {"SELECT seq, type, why FROM refused_record ORDER BY seq", 2},
};

static enum rc feed_all(struct meter *m, struct digest *d, struct err *e)
{
    HF_TRY(settle_all(m, e));
    HF_TRY(ledger_digest(m->sql, d, e));
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        HF_TRY(feed(m, d, tables[i].text, tables[i].numbers, e));
    return budget_digest(m, d, e);
}

enum rc meter_digest(struct meter *m, uint8_t sha256[32], struct err *e)
{
    struct digest *d = digest_new(DIGEST_SHA256);

    if (!d)
        return err_set(e, RC_NOMEM, "meter: out of memory");
    meter_lock(m);
    enum rc rc = feed_all(m, d, e);
    meter_unlock(m);
    if (rc == RC_OK)
        digest_final(d, sha256);
    digest_free(d);
    return rc;
}
