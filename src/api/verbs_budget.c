/* Verbs of budgets and quotas. Who acts, and in which role, is recorded as said: there is no authentication here. */
#include "api/api_priv.h"

#include "base/money.h"

#define ACTOR_DEFAULT "operator"
#define ROLE_FINANCE "finance"
#define ROLE_OWNER "owner"

/* ---- budgets ---- */

static enum rc budgets(struct control_call *c, struct view account, uint64_t id, json_t **ret)
{
    HF_TRY(control_settle(c));
    return meter_budgets_json(c->engine->meter, account, id, control_now(c), ret, &c->err);
}

static enum rc one_budget(struct control_call *c, uint64_t id, json_t **ret)
{
    json_t *list = NULL;

    HF_TRY(budgets(c, view_of("", 0), id, &list));
    json_t *b = json_incref(json_array_get(list, 0));
    json_decref(list);
    if (!b)
        return err_set(&c->err, RC_NOT_FOUND, "%llu: there is no such budget; `holdfast budget list` shows them",
                       (unsigned long long)id);
    *ret = b;
    return RC_OK;
}

static enum rc budget_id(struct control_call *c, uint64_t *ret)
{
    struct view v = control_arg(c, "id");

    if (!view_u64(v, ret) || *ret == 0)
        return err_set(&c->err, RC_INVALID, "%.*s: a budget's id is a number; `holdfast budget list` shows them",
                       (int)(v.n < 48 ? v.n : 48), v.p);
    return RC_OK;
}

/* A step of the budget that the call names by its id. */
static enum rc step_on(struct control_call *c, struct account_rec *r, json_t **ret)
{
    json_t *before = NULL;

    HF_TRY(budget_id(c, &r->budget));
    HF_TRY(one_budget(c, r->budget, &before));
    struct view account = view_cstr(json_string_value(json_object_get(before, "account")));
    enum rc rc = RC_OK;
    if (r->step == BUDGET_ALLOCATE && r->amount_nano == 0)
        rc = money_parse(view_cstr(json_string_value(json_object_get(before, "amount"))), &r->amount_nano);
    if (rc == RC_OK)
        rc = engine_account_record(c->engine, account, r, NULL, &c->err);
    json_decref(before);
    if (rc != RC_OK)
        return rc;
    return one_budget(c, r->budget, ret);
}

static struct account_rec step(const struct control_call *c, enum budget_step s, const char *role)
{
    return (struct account_rec){.type = REC_BUDGET,
                                .step = s,
                                .actor = control_arg_or(c, "by", ACTOR_DEFAULT),
                                .role = control_arg_or(c, "role", role),
                                .note = control_arg(c, "note")};
}

static enum rc request(struct control_call *c, uint64_t *ret_id)
{
    struct account_rec r = step(c, BUDGET_REQUEST, ROLE_OWNER);
    bool quarter = control_has(c, "quarter");
    struct view account;

    HF_TRY(control_text(c, "account", &account));
    if (quarter == control_has(c, "month"))
        return err_set(&c->err, RC_INVALID,
                       "a budget is of a month or of a quarter: name one of --month and --quarter");
    r.scope = control_arg_or(c, "scope", "account");
    r.period = quarter ? BUDGET_QUARTER : BUDGET_MONTH;
    HF_TRY(control_positive(c, quarter ? "quarter" : "month", &r.amount_nano));
    return engine_account_record(c->engine, account, &r, ret_id, &c->err);
}

static enum rc budget_request(struct control_call *c, json_t **ret)
{
    uint64_t id = 0;

    HF_TRY(request(c, &id));
    return one_budget(c, id, ret);
}

/* The whole flow in one go, by one who may: request, review, allocation, three records. */
static enum rc budget_create(struct control_call *c, json_t **ret)
{
    struct account_rec review = step(c, BUDGET_REVIEW, ROLE_FINANCE);
    struct account_rec allocate = step(c, BUDGET_ALLOCATE, ROLE_FINANCE);
    struct view account = control_arg(c, "account");

    HF_TRY(request(c, &review.budget));
    review.approved = true;
    HF_TRY(engine_account_record(c->engine, account, &review, NULL, &c->err));
    allocate.budget = review.budget;
    HF_TRY(control_positive(c, control_has(c, "quarter") ? "quarter" : "month", &allocate.amount_nano));
    HF_TRY(engine_account_record(c->engine, account, &allocate, NULL, &c->err));
    return one_budget(c, review.budget, ret);
}

static enum rc budget_review(struct control_call *c, json_t **ret)
{
    struct account_rec r = step(c, BUDGET_REVIEW, ROLE_FINANCE);

    r.approved = control_has(c, "approve");
    if (r.approved == control_has(c, "reject"))
        return err_set(&c->err, RC_INVALID, "a review says --approve or --reject");
    return step_on(c, &r, ret);
}

static enum rc budget_allocate(struct control_call *c, json_t **ret)
{
    struct account_rec r = step(c, BUDGET_ALLOCATE, ROLE_FINANCE);

    if (control_has(c, "amount"))
        HF_TRY(control_positive(c, "amount", &r.amount_nano));
    return step_on(c, &r, ret);
}

static enum rc budget_close(struct control_call *c, json_t **ret)
{
    struct account_rec r = step(c, BUDGET_CLOSE, ROLE_FINANCE);

    return step_on(c, &r, ret);
}

static enum rc budget_list(struct control_call *c, json_t **ret)
{
    return budgets(c, control_arg(c, "account"), 0, ret);
}

static enum rc budget_show(struct control_call *c, json_t **ret)
{
    uint64_t id = 0;

    HF_TRY(budget_id(c, &id));
    return one_budget(c, id, ret);
}

/* ---- quotas ---- */

static const char *const limit_args[QUOTA_LIMITS] = {"bytes", "objects", "requests-per-day", "egress-per-day"};
static const char *const limit_keys[QUOTA_LIMITS] = {"bytes", "objects", "requests_per_day", "egress_per_day"};

static enum rc quotas(struct control_call *c, struct view account, json_t **ret)
{
    HF_TRY(control_settle(c));
    return meter_quotas_json(c->engine->meter, account, control_now(c), ret, &c->err);
}

/* The account's quota (bucket empty) or that of a bucket; borrowed from the list, NULL when there is none. */
static json_t *find_quota(json_t *list, struct view bucket)
{
    json_t *q;
    size_t i;

    json_array_foreach(list, i, q)
    {
        const char *name = json_string_value(json_object_get(q, "bucket"));

        if (view_eqs(bucket, name ? name : ""))
            return q;
    }
    return NULL;
}

static void keep_limits(const json_t *q, struct account_rec *r)
{
    const json_t *limits = json_object_get(q, "limits");

    for (unsigned i = 0; i < QUOTA_LIMITS; i++) {
        const json_t *v = json_object_get(limits, limit_keys[i]);
        r->quota[i] = json_is_integer(v) ? (uint64_t)json_integer_value(v) : QUOTA_NONE;
    }
}

static enum rc change_limits(struct control_call *c, struct account_rec *r)
{
    bool any = false;

    for (unsigned i = 0; i < QUOTA_LIMITS; i++) {
        if (!control_has(c, limit_args[i]))
            continue;
        HF_TRY(control_limit(c, limit_args[i], &r->quota[i]));
        any = true;
    }
    return any ? RC_OK
               : err_set(&c->err, RC_INVALID,
                         "nothing to set: name --bytes, --objects, --requests-per-day or --egress-per-day");
}

static enum rc quota_set(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_QUOTA, .scope = control_arg(c, "bucket")};
    struct view account;
    json_t *list = NULL;

    HF_TRY(control_text(c, "account", &account));
    HF_TRY(quotas(c, account, &list));
    keep_limits(find_quota(list, r.scope), &r);
    json_decref(list);
    HF_TRY(change_limits(c, &r));
    HF_TRY(engine_account_record(c->engine, account, &r, NULL, &c->err));
    HF_TRY(quotas(c, account, &list));
    json_t *q = json_incref(find_quota(list, r.scope));
    json_decref(list);
    /* One whose last limit was taken away is not listed any more. */
    return control_made(c,
                        q ? q
                          : json_pack("{s:s%,s:o,s:{s:n,s:n,s:n,s:n}}", "account", account.p, account.n, "bucket",
                                      r.scope.n ? json_stringn(r.scope.p, r.scope.n) : json_null(), "limits",
                                      limit_keys[0], limit_keys[1], limit_keys[2], limit_keys[3]),
                        ret);
}

static enum rc quota_list(struct control_call *c, json_t **ret)
{
    return quotas(c, control_arg(c, "account"), ret);
}

const struct control_verb budget_verbs[] = {
    {"budget.create", true, budget_create}, {"budget.request", true, budget_request},
    {"budget.review", true, budget_review}, {"budget.allocate", true, budget_allocate},
    {"budget.close", true, budget_close},   {"budget.list", false, budget_list},
    {"budget.show", false, budget_show},    {"quota.set", true, quota_set},
    {"quota.list", false, quota_list},      {NULL, false, NULL},
};
