/* Holdfast: a hash over everything that the records made, in one order, to compare a replay with the live ledger. */
#include "meter/meter_priv.h"

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

static enum rc feed_all(struct meter *m, struct digest *d, struct err *e)
{
    HF_TRY(settle_all(m, e));
    HF_TRY(ledger_digest(m->sql, d, e));
    HF_TRY(feed(
        m, d, "SELECT id, created_ns, balance_nano, COALESCE(below_since_ns, -1), stage, name FROM account ORDER BY id",
        5, e));
    HF_TRY(feed(m, d,
                "SELECT account, bucket, stored, quantity_hi, quantity_lo, item FROM open_usage "
                "ORDER BY account, bucket, item",
                5, e));
    HF_TRY(feed(m, d,
                "SELECT account, month, bucket, quantity_hi, quantity_lo, amount_nano, item FROM month_usage "
                "ORDER BY account, month, bucket, item",
                6, e));
    HF_TRY(feed(m, d,
                "SELECT cause, account, from_stage, to_stage, time_ns, '' FROM stage_change ORDER BY cause, account", 5,
                e));
    HF_TRY(feed(m, d,
                "SELECT account, seq, created_ns, COALESCE(revoked_ns, -1), access_key FROM access_key ORDER BY "
                "access_key",
                4, e));
    return feed(m, d,
                "SELECT is_timetable, COALESCE(current, 0), COALESCE(pending, 0), name FROM book_slot "
                "ORDER BY is_timetable, name",
                3, e);
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
