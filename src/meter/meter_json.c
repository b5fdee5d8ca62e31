/* Holdfast: the meter's answers: accounts with their clock, keys, gauges; and the checks before a record is written. */
#include "meter/meter_priv.h"

#include <stdlib.h>

#define HOUR_NS ((int64_t)HOUR_S * NS_PER_S)

static enum rc no_memory(struct err *e)
{
    return err_set(e, RC_NOMEM, "meter: out of memory");
}

static enum rc no_account(struct view name, struct err *e)
{
    int n = (int)(name.n < ACCOUNT_NAME_MAX ? name.n : ACCOUNT_NAME_MAX);
    return err_set(e, RC_NOT_FOUND, "there is no account `%.*s`; `holdfast account list` shows them", n, name.p);
}

/* ---- the arrears clock ---- */

struct arrears {
    int64_t balance_nano, burn_nano; /* a day */
    bool runs;                       /* the instants below will come */
    double runway_h, stop_h, destroy_h;
};

/* Hours are for reading, not for money: a double is exact enough. */
static double hours_left(int64_t at_ns, int64_t now_ns)
{
    return at_ns > now_ns ? (double)(at_ns - now_ns) / (double)HOUR_NS : 0;
}

static enum rc arrears_of(const struct meter *m, const struct meter_account *a, int64_t now_ns, struct arrears *ret)
{
    const struct timetable *t = a->timetable;
    struct arrears r = {0};

    HF_TRY(meter_balance(m, a, &r.balance_nano));
    HF_TRY(meter_burn(m, a, &r.burn_nano));
    if (a->below || r.balance_nano < 0) {
        int64_t since_ns = a->below ? a->below_since_ns : now_ns;
        r.runs = true;
        r.stop_h = hours_left(since_ns + t->stop_ns, now_ns);
        r.destroy_h = hours_left(since_ns + t->destroy_latest_ns, now_ns);
    } else if (r.burn_nano > 0) {
        r.runs = true;
        r.runway_h = (double)r.balance_nano * 24 / (double)r.burn_nano;
        r.stop_h = r.runway_h + (double)t->stop_ns / (double)HOUR_NS;
        r.destroy_h = r.runway_h + (double)t->destroy_latest_ns / (double)HOUR_NS;
    }
    *ret = r;
    return RC_OK;
}

static json_t *hours_json(bool comes, double hours)
{
    return comes ? json_real(hours) : json_null();
}

static json_t *account_json(const struct meter *m, const struct meter_account *a, int64_t now_ns)
{
    char balance[MONEY_TEXT_MAX], burn[MONEY_TEXT_MAX];
    struct arrears r;

    if (arrears_of(m, a, now_ns, &r) != RC_OK)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o}", "name", a->name, "currency", a->prices->currency,
                     "balance", money_text(r.balance_nano, balance), "burn_per_day", money_text(r.burn_nano, burn),
                     "runway_hours", hours_json(r.runs, r.runway_h), "stage", stage_name(a->stage), "hours_to_stop",
                     hours_json(r.runs, r.stop_h), "hours_to_destroy", hours_json(r.runs, r.destroy_h));
}

static enum rc all_accounts(const struct meter *m, int64_t now_ns, json_t **ret, struct err *e)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < m->n_accounts; i++) {
        if (json_array_append_new(list, account_json(m, m->account[i], now_ns)) != 0) {
            json_decref(list);
            return no_memory(e);
        }
    }
    if (!list)
        return no_memory(e);
    *ret = list;
    return RC_OK;
}

enum rc meter_accounts_json(struct meter *m, int64_t now_ns, json_t **ret, struct err *e)
{
    meter_lock(m);
    enum rc rc = all_accounts(m, now_ns, ret, e);
    meter_unlock(m);
    return rc;
}

enum rc meter_account_json(struct meter *m, struct view name, int64_t now_ns, json_t **ret, struct err *e)
{
    json_t *one = NULL;

    meter_lock(m);
    const struct meter_account *a = meter_account_named(m, name);
    if (a)
        one = account_json(m, a, now_ns);
    meter_unlock(m);
    if (!a)
        return no_account(name, e);
    if (!one)
        return no_memory(e);
    *ret = one;
    return RC_OK;
}

/* ---- keys ---- */

static json_t *time_json(struct sql_stmt *q, int column)
{
    char text[TIME_TEXT_MAX];
    return sql_is_null(q, column) ? json_null() : json_string(time_rfc3339(sql_i64(q, column), false, text));
}

static json_t *key_json(const struct meter *m, struct sql_stmt *q)
{
    const struct meter_account *a = meter_account_of(m, (uint64_t)sql_i64(q, 1));
    struct view key = sql_text(q, 0);

    return json_pack("{s:s%, s:s, s:o, s:o}", "access_key", key.p, key.n, "account", a ? a->name : "", "created",
                     time_json(q, 2), "revoked", time_json(q, 3));
}

/* only: 0 = of every account. */
static enum rc keys_of(const struct meter *m, uint64_t only, json_t *list, struct err *e)
{
    struct sql_stmt *q;
    enum rc rc;

    HF_TRY(sql_query(m->sql, e, &q,
                     "SELECT access_key, account, created_ns, revoked_ns FROM access_key WHERE ? IN (0, account) "
                     "ORDER BY seq",
                     "i", (int64_t)only));
    while ((rc = sql_next(q, e)) == RC_OK) {
        if (json_array_append_new(list, key_json(m, q)) != 0) {
            sql_done(q);
            return no_memory(e);
        }
    }
    return rc == RC_END ? RC_OK : rc;
}

enum rc meter_keys_json(struct meter *m, struct view account, json_t **ret, struct err *e)
{
    json_t *list = json_array();
    enum rc rc = list ? RC_OK : no_memory(e);

    meter_lock(m);
    const struct meter_account *a = account.n > 0 ? meter_account_named(m, account) : NULL;
    if (rc == RC_OK && account.n > 0 && !a)
        rc = no_account(account, e);
    if (rc == RC_OK)
        rc = keys_of(m, a ? a->id : 0, list, e);
    meter_unlock(m);
    if (rc != RC_OK) {
        json_decref(list);
        return rc;
    }
    *ret = list;
    return RC_OK;
}

/* ---- gauges ---- */

static enum rc gauge_of(const struct meter *m, const struct meter_account *a, struct meter_gauge *g)
{
    HF_TRY(meter_balance(m, a, &g->balance_nano));
    HF_TRY(meter_burn(m, a, &g->burn_per_day_nano));
    memcpy(g->name, a->name, sizeof(g->name));
    memcpy(g->currency, a->prices->currency, sizeof(a->prices->currency));
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        g->stored_bytes += (uint64_t)a->stored[c];
    g->stage = a->stage;
    return RC_OK;
}

enum rc meter_gauges(struct meter *m, struct arena *a, struct meter_gauge **ret, size_t *ret_n)
{
    enum rc rc = RC_OK;

    meter_lock(m);
    struct meter_gauge *g = arena_zalloc(a, m->n_accounts * sizeof(*g));
    if (!g)
        rc = RC_NOMEM;
    for (size_t i = 0; rc == RC_OK && i < m->n_accounts; i++)
        rc = gauge_of(m, m->account[i], &g[i]);
    if (rc == RC_OK) {
        *ret = g;
        *ret_n = m->n_accounts;
    }
    meter_unlock(m);
    return rc;
}

/* ---- checks before a record is written ---- */

static bool account_name_valid(struct view name)
{
    if (name.n == 0 || name.n > 63 || name.p[0] == '-')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
            return false;
    }
    return true;
}

static int shown(struct view v)
{
    return (int)(v.n < 64 ? v.n : 64);
}

static enum rc check_account(const struct meter *m, struct view name, struct view currency, struct view prices,
                             struct view timetable, struct err *e)
{
    const struct price_book *book = meter_prices(m, prices);

    if (!account_name_valid(name))
        return err_set(e, RC_INVALID,
                       "an account's name is 1 to 63 of a-z, 0-9 and -, and does not begin with -, "
                       "not `%.*s`",
                       shown(name), name.p);
    if (meter_account_named(m, name))
        return err_set(e, RC_EXISTS, "account `%.*s` exists", shown(name), name.p);
    if (!book)
        return err_set(e, RC_INVALID,
                       "there is no price book `%.*s`, neither built in nor as prices/NAME.yaml in the "
                       "data folder",
                       shown(prices), prices.p);
    if (!meter_timetable(m, timetable))
        return err_set(e, RC_INVALID,
                       "there is no timetable `%.*s`, neither built in nor as timetables/NAME.yaml in "
                       "the data folder",
                       shown(timetable), timetable.p);
    if (!view_eqs(currency, book->currency))
        return err_set(e, RC_INVALID, "price book %s is in %s, not in `%.*s`", book->id.name, book->currency,
                       shown(currency), currency.p);
    return RC_OK;
}

enum rc meter_check_account(struct meter *m, struct view name, struct view currency, struct view prices,
                            struct view timetable, struct err *e)
{
    meter_lock(m);
    enum rc rc = check_account(m, name, currency, prices, timetable, e);
    meter_unlock(m);
    return rc;
}

static enum rc check_topup(const struct meter *m, struct view name, int64_t amount_nano, struct view ref,
                           uint64_t *ret_account, struct err *e)
{
    const struct meter_account *a = meter_account_named(m, name);
    int64_t balance;

    if (!a)
        return no_account(name, e);
    if (!a->charged)
        return err_set(e, RC_INVALID, "account %s is not charged, so it needs no top-up", a->name);
    if (amount_nano <= 0)
        return err_set(e, RC_INVALID, "a top-up must be above zero");
    if (ref.n > TOPUP_REF_MAX || !utf8_valid(ref))
        return err_set(e, RC_INVALID, "a ref is at most %d bytes of UTF-8", TOPUP_REF_MAX);
    if (money_add(a->balance_nano, amount_nano, &balance) != RC_OK)
        return err_set(e, RC_LIMIT, "account %s: with this top-up the balance would pass the range of money", a->name);
    *ret_account = a->id;
    return RC_OK;
}

enum rc meter_check_topup(struct meter *m, struct view name, int64_t amount_nano, struct view ref,
                          uint64_t *ret_account, struct err *e)
{
    meter_lock(m);
    enum rc rc = check_topup(m, name, amount_nano, ref, ret_account, e);
    meter_unlock(m);
    return rc;
}
