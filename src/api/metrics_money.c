/* /metrics of accounts: balance, burn, hours left, stage, quotas, budgets. What is unknown or cannot come has no
 * sample. */
#include "api/api_priv.h"

static enum rc label(struct buf *b, const json_t *row, const char *key, const char *label_name, bool first)
{
    const json_t *v = json_object_get(row, key);

    HF_TRY(buf_printf(b, "%s%s=\"", first ? "{" : ",", label_name));
    if (json_is_integer(v))
        HF_TRY(buf_printf(b, "%lld", (long long)json_integer_value(v)));
    if (json_is_string(v))
        HF_TRY(metrics_label(b, json_string_value(v)));
    return buf_puts(b, "\"");
}

/* A decimal string, or a number; anything else is not known. */
static bool known(const json_t *v)
{
    const char *s = json_string_value(v);

    return json_is_number(v) || (s && (s[0] == '-' || (s[0] >= '0' && s[0] <= '9')));
}

static enum rc value(struct buf *b, const json_t *v)
{
    if (json_is_string(v))
        return buf_printf(b, "} %s\n", json_string_value(v));
    if (json_is_integer(v))
        return buf_printf(b, "} %lld\n", (long long)json_integer_value(v));
    return buf_printf(b, "} %.6f\n", json_real_value(v));
}

/* ---- accounts ---- */

static enum rc account_series(struct buf *b, const json_t *accounts, const char *name, const char *help,
                              const char *key, bool money)
{
    json_t *row;
    size_t i;

    HF_TRY(metrics_head(b, name, "gauge", help));
    json_array_foreach(accounts, i, row)
    {
        if (!known(json_object_get(row, key)))
            continue;
        HF_TRY(buf_puts(b, name));
        HF_TRY(label(b, row, "name", "account", true));
        if (money)
            HF_TRY(label(b, row, "currency", "currency", false));
        HF_TRY(value(b, json_object_get(row, key)));
    }
    return RC_OK;
}

/* Its number, or -1: the stage of an account whose balance is not known. */
static int stage_number(const json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "stage"));

    for (int s = STAGE_ACTIVE; name && s <= STAGE_PURGEABLE; s++)
        if (view_eqs(view_cstr(name), stage_name((enum stage)s)))
            return s;
    return -1;
}

static enum rc stages(struct buf *b, const json_t *accounts)
{
    json_t *row;
    size_t i;

    HF_TRY(metrics_head(b, "holdfast_account_stage", "gauge",
                        "Arrears stage: 0 active, 1 warn, 2 stop, 3 retention, 4 purgeable; -1 not known, its balance "
                        "is too old."));
    json_array_foreach(accounts, i, row)
    {
        HF_TRY(buf_puts(b, "holdfast_account_stage"));
        HF_TRY(label(b, row, "name", "account", true));
        HF_TRY(buf_printf(b, "} %d\n", stage_number(row)));
    }
    return RC_OK;
}

static enum rc stored(struct meter *m, struct buf *b)
{
    struct arena a = ARENA(64u << 20);
    struct meter_gauge *g = NULL;
    size_t n = 0;

    enum rc rc = meter_gauges(m, &a, &g, &n);
    if (rc == RC_OK)
        rc = metrics_head(b, "holdfast_account_stored_bytes", "gauge", "Bytes stored, as metered.");
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        rc = buf_printf(b, "holdfast_account_stored_bytes{account=\"%s\"} %llu\n", g[i].name,
                        (unsigned long long)g[i].stored_bytes);
    arena_free(&a);
    return rc;
}

static enum rc accounts_text(struct buf *b, const json_t *v)
{
    HF_TRY(account_series(b, v, "holdfast_account_balance", "Balance, open usage taken off, in the account's currency.",
                          "balance", true));
    HF_TRY(account_series(b, v, "holdfast_account_available",
                          "Balance less reservations plus credit limit; below zero it is arrears.", "available", true));
    HF_TRY(account_series(b, v, "holdfast_account_burn_per_day", "What a day costs at the present rate.",
                          "burn_per_day", true));
    HF_TRY(account_series(b, v, "holdfast_account_hours_to_zero",
                          "Hours until the money ends; 0 once reached, absent when that cannot come.", "runway_hours",
                          false));
    HF_TRY(account_series(b, v, "holdfast_account_hours_to_stop", "Hours until the account is stopped.",
                          "hours_to_stop", false));
    HF_TRY(account_series(b, v, "holdfast_account_hours_to_destroy", "Hours until its data may be destroyed.",
                          "hours_to_destroy", false));
    return stages(b, v);
}

/* ---- quotas, budgets ---- */

static enum rc quota_series(struct buf *b, const json_t *quotas, const char *name, const char *help, const char *side)
{
    static const char *const limits[] = {"bytes", "objects", "requests_per_day", "egress_per_day"};
    json_t *row;
    size_t i;

    HF_TRY(metrics_head(b, name, "gauge", help));
    json_array_foreach(quotas, i, row)
    {
        for (size_t k = 0; k < sizeof limits / sizeof limits[0]; k++) {
            const json_t *v = json_object_get(json_object_get(row, side), limits[k]);

            if (!json_is_integer(v) || !json_is_integer(json_object_get(json_object_get(row, "limits"), limits[k])))
                continue;
            HF_TRY(buf_puts(b, name));
            HF_TRY(label(b, row, "account", "account", true));
            HF_TRY(label(b, row, "bucket", "bucket", false));
            HF_TRY(buf_printf(b, ",limit=\"%s\"", limits[k]));
            HF_TRY(value(b, v));
        }
    }
    return RC_OK;
}

static enum rc quotas_text(struct buf *b, const json_t *v)
{
    HF_TRY(quota_series(b, v, "holdfast_quota_used",
                        "What counts against a quota; bucket is empty for the account's own.", "used"));
    return quota_series(b, v, "holdfast_quota_limit", "The quota.", "limits");
}

static enum rc budgets_text(struct buf *b, const json_t *v)
{
    json_t *row;
    size_t i;

    HF_TRY(metrics_head(b, "holdfast_budget_percent", "gauge", "Spent of an active budget in its present period."));
    json_array_foreach(v, i, row)
    {
        const char *state = json_string_value(json_object_get(row, "state"));

        if (!state || !view_eqs(view_cstr(state), "active") || !known(json_object_get(row, "percent")))
            continue;
        HF_TRY(buf_puts(b, "holdfast_budget_percent"));
        HF_TRY(label(b, row, "id", "id", true));
        HF_TRY(label(b, row, "account", "account", false));
        HF_TRY(label(b, row, "scope", "scope", false));
        HF_TRY(value(b, json_object_get(row, "percent")));
    }
    return RC_OK;
}

enum rc metrics_money(struct engine *g, struct buf *b)
{
    struct view all = view_of("", 0);
    int64_t now = seq_now(g->seq);
    json_t *accounts = NULL, *quotas = NULL, *budgets = NULL;

    enum rc rc = meter_accounts_json(g->meter, now, &accounts, NULL);
    if (rc == RC_OK)
        rc = accounts_text(b, accounts);
    if (rc == RC_OK)
        rc = stored(g->meter, b);
    if (rc == RC_OK)
        rc = meter_quotas_json(g->meter, all, now, &quotas, NULL);
    if (rc == RC_OK)
        rc = quotas_text(b, quotas);
    if (rc == RC_OK)
        rc = meter_budgets_json(g->meter, all, 0, now, &budgets, NULL);
    if (rc == RC_OK)
        rc = budgets_text(b, budgets);
    json_decref(accounts);
    json_decref(quotas);
    json_decref(budgets);
    return rc;
}
