/* Verbs of accounts and their money. What a record may hold, meter_check says; here arguments become records. */
#include "api/api_priv.h"

#include <string.h>

/* ---- creating and setting ---- */

/* What an account at a cloud goes by unless something else is said. */
static const struct cloud {
    const char *name, *prices, *timetable;
} clouds[] = {
    {"tencent", "tencent-cos", "tencent-cos"},
    {"aliyun", "aliyun-oss", "aliyun-oss-cn"},
    {"huawei", "huawei-obs", "huawei-obs-v0"},
    {"aws", "aws-s3", "aws"},
};

static enum rc find_cloud(struct control_call *c, struct view upstream, struct cloud *ret)
{
    *ret = clouds[0];
    if (upstream.n == 0)
        return RC_OK;
    for (size_t i = 0; i < sizeof clouds / sizeof clouds[0]; i++) {
        if (!view_eqs(upstream, clouds[i].name))
            continue;
        *ret = clouds[i];
        return RC_OK;
    }
    if (control_has(c, "prices") && control_has(c, "timetable"))
        return RC_OK;
    return err_set(&c->err, RC_INVALID,
                   "upstream %.*s: tencent, aliyun, huawei and aws are known; name --prices and --timetable of another",
                   (int)upstream.n, upstream.p);
}

/* The currency that the newest version of a price book has; "" when there is no such book. */
static enum rc book_currency(struct control_call *c, struct view name, char ret[BOOK_CURRENCY_LEN + 1])
{
    json_t *books = NULL, *b;
    size_t i;

    HF_TRY(meter_books_json(c->engine->meter, control_now(c), &books, &c->err));
    ret[0] = 0;
    json_array_foreach(books, i, b)
    {
        const char *currency = json_string_value(json_object_get(b, "currency"));

        if (currency && view_eqs(name, json_string_value(json_object_get(b, "name"))) &&
            !view_copy(view_cstr(currency), ret, BOOK_CURRENCY_LEN + 1))
            ret[0] = 0;
    }
    json_decref(books);
    return RC_OK;
}

static enum rc record(struct control_call *c, struct account_rec *r)
{
    struct view account;

    HF_TRY(control_text(c, "account", &account));
    return engine_account_record(c->engine, account, r, NULL, &c->err);
}

/* A record of the account, then the account as it is. */
static enum rc record_account(struct control_call *c, struct account_rec *r, json_t **ret)
{
    HF_TRY(record(c, r));
    return control_account(c, ret);
}

static enum rc set_max_age(struct control_call *c, int64_t max_age_ns)
{
    struct account_rec r = {.type = REC_ACCOUNT_SET, .has_max_age = true, .max_age_ns = max_age_ns};

    return record(c, &r);
}

static enum rc account_create(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_ACCOUNT, .upstream = control_arg(c, "upstream")};
    struct cloud cloud;
    char currency[BOOK_CURRENCY_LEN + 1];
    int64_t max_age_ns = 0;

    if (control_has(c, "max-age")) {
        if (r.upstream.n == 0)
            return err_set(&c->err, RC_INVALID, "max-age is of accounts at a cloud: name it with --upstream");
        HF_TRY(control_span(c, "max-age", &max_age_ns));
    }
    HF_TRY(control_text(c, "account", &r.name));
    HF_TRY(find_cloud(c, r.upstream, &cloud));
    r.prices = control_arg_or(c, "prices", cloud.prices);
    r.timetable = control_arg_or(c, "timetable", cloud.timetable);
    HF_TRY(book_currency(c, r.prices, currency));
    r.currency = control_arg_or(c, "currency", currency[0] ? currency : "CNY");
    HF_TRY(engine_account_record(c->engine, view_of("", 0), &r, NULL, &c->err));
    if (max_age_ns)
        HF_TRY(set_max_age(c, max_age_ns));
    return control_account(c, ret);
}

static enum rc account_set(struct control_call *c, json_t **ret)
{
    struct account_rec r = {
        .type = REC_ACCOUNT_SET,
        .prices = control_arg(c, "prices"),
        .timetable = control_arg(c, "timetable"),
        .has_credit = control_has(c, "credit"),
        .has_late_fee = control_has(c, "late-fee"),
        .has_max_age = control_has(c, "max-age"),
        .late_fee = control_arg(c, "late-fee"),
    };

    if (r.has_credit)
        HF_TRY(control_not_negative(c, "credit", &r.credit_nano));
    if (r.has_max_age)
        HF_TRY(control_span(c, "max-age", &r.max_age_ns));
    if (!r.has_credit && !r.has_late_fee && !r.has_max_age && r.prices.n == 0 && r.timetable.n == 0)
        return err_set(&c->err, RC_INVALID,
                       "nothing to set: name --credit, --late-fee, --max-age, --prices or --timetable");
    return record_account(c, &r, ret);
}

static enum rc account_list(struct control_call *c, json_t **ret)
{
    HF_TRY(control_settle(c));
    return meter_accounts_json(c->engine->meter, control_now(c), ret, &c->err);
}

/* ---- money ---- */

/* An amount said with its currency must be in the account's. */
static enum rc check_currency(struct control_call *c, struct view currency)
{
    json_t *account = NULL;

    if (currency.n == 0)
        return RC_OK;
    HF_TRY(control_account(c, &account));
    const char *own = json_string_value(json_object_get(account, "currency"));
    bool same = own && view_eqs(currency, own);
    if (!same)
        err_set(&c->err, RC_INVALID,
                "the account is in %s, not in %.*s: convert the amount and top up in %s, or create an account in %.*s",
                own ? own : "another currency", (int)currency.n, currency.p, own ? own : "it", (int)currency.n,
                currency.p);
    json_decref(account);
    return same ? RC_OK : RC_INVALID;
}

static enum rc account_topup(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_TOPUP, .ref = control_arg(c, "ref")};

    HF_TRY(control_positive(c, "amount", &r.amount_nano));
    HF_TRY(check_currency(c, control_arg(c, "currency")));
    return record_account(c, &r, ret);
}

static enum rc account_set_balance(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_BALANCE, .has_burn = control_has(c, "burn")};

    HF_TRY(control_amount(c, "amount", &r.amount_nano));
    if (r.has_burn)
        HF_TRY(control_not_negative(c, "burn", &r.burn_nano));
    return record_account(c, &r, ret);
}

static enum rc account_voucher(struct control_call *c, json_t **ret)
{
    struct account_rec r = {
        .type = REC_MONEY, .money = MONEY_VOUCHER, .scope = control_arg(c, "scope"), .ref = control_arg(c, "ref")};

    HF_TRY(control_positive(c, "amount", &r.amount_nano));
    HF_TRY(control_date(c, control_arg(c, "account"), "until", &r.until_ns));
    return record_account(c, &r, ret);
}

static enum rc account_pack(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_MONEY,
                            .money = MONEY_PACK,
                            .scope = control_arg(c, "item"),
                            .quantity = control_arg(c, "quantity"),
                            .ref = control_arg(c, "ref")};
    struct view account = control_arg(c, "account");

    HF_TRY(control_date(c, account, "until", &r.until_ns));
    if (control_has(c, "from"))
        HF_TRY(control_date(c, account, "from", &r.from_ns));
    if (control_has(c, "cost"))
        HF_TRY(control_not_negative(c, "cost", &r.amount_nano));
    return record_account(c, &r, ret);
}

static enum rc reserve_or_refund(struct control_call *c, enum money_kind kind, json_t **ret)
{
    struct account_rec r = {
        .type = REC_MONEY, .money = kind, .ref = control_arg(c, "ref"), .note = control_arg(c, "note")};

    HF_TRY(control_positive(c, "amount", &r.amount_nano));
    return record_account(c, &r, ret);
}

static enum rc account_reserve(struct control_call *c, json_t **ret)
{
    struct view ref;

    HF_TRY(control_text(c, "ref", &ref));
    return reserve_or_refund(c, MONEY_RESERVE, ret);
}

static enum rc account_refund(struct control_call *c, json_t **ret)
{
    return reserve_or_refund(c, MONEY_REFUND, ret);
}

static enum rc account_release(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_MONEY, .money = MONEY_RELEASE};

    HF_TRY(control_text(c, "ref", &r.ref));
    return record_account(c, &r, ret);
}

static enum rc correction(struct control_call *c, enum money_kind kind, json_t **ret)
{
    struct account_rec r = {.type = REC_MONEY, .money = kind, .ref = control_arg(c, "ref")};

    HF_TRY(control_text(c, "note", &r.note));
    HF_TRY(control_positive(c, "amount", &r.amount_nano));
    return record_account(c, &r, ret);
}

static enum rc account_charge(struct control_call *c, json_t **ret)
{
    return correction(c, MONEY_CHARGE, ret);
}

static enum rc account_credit(struct control_call *c, json_t **ret)
{
    return correction(c, MONEY_CREDIT, ret);
}

/* ---- the arrears clock ---- */

static enum rc account_clock(struct control_call *c, json_t **ret)
{
    HF_TRY(control_settle(c));
    return meter_clock_json(c->engine->meter, control_arg(c, "account"), control_now(c), ret, &c->err);
}

static enum rc account_grace(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_GRACE, .cancelled = control_has(c, "cancel")};

    if (r.cancelled && (control_has(c, "until") || control_has(c, "proof")))
        return err_set(&c->err, RC_INVALID, "either --cancel, or --until and --proof");
    if (!r.cancelled) {
        HF_TRY(control_text(c, "proof", &r.note));
        HF_TRY(control_date(c, control_arg(c, "account"), "until", &r.until_ns));
    }
    HF_TRY(record(c, &r));
    return account_clock(c, ret);
}

static enum rc due_cancel(struct control_call *c, struct account_rec *r)
{
    if (control_has(c, "amount") || control_has(c, "on") || control_has(c, "note") || control_has(c, "monthly"))
        return err_set(&c->err, RC_INVALID, "--cancel takes only the --ref that the charge was announced with");
    r->cancelled = true;
    return control_text(c, "ref", &r->ref);
}

static enum rc account_due(struct control_call *c, json_t **ret)
{
    struct account_rec r = {.type = REC_DUE, .ref = control_arg(c, "ref"), .monthly = control_has(c, "monthly")};

    if (control_has(c, "cancel")) {
        HF_TRY(due_cancel(c, &r));
    } else {
        HF_TRY(control_text(c, "note", &r.note));
        HF_TRY(control_positive(c, "amount", &r.amount_nano));
        HF_TRY(control_date(c, control_arg(c, "account"), "on", &r.until_ns));
    }
    HF_TRY(record(c, &r));
    return account_clock(c, ret);
}

/* ---- what was used ---- */

static enum rc account_statement(struct control_call *c, json_t **ret)
{
    HF_TRY(control_settle(c));
    return meter_statement_json(c->engine->meter, control_arg(c, "account"), control_arg(c, "month"), control_now(c),
                                ret, &c->err);
}

static enum rc account_usage(struct control_call *c, json_t **ret)
{
    HF_TRY(control_settle(c));
    return meter_usage_json(c->engine->meter, control_arg(c, "account"), control_arg(c, "month"), control_now(c), ret,
                            &c->err);
}

const struct control_verb money_verbs[] = {
    {"account.create", true, account_create},
    {"account.list", false, account_list},
    {"account.show", false, control_account},
    {"account.set", true, account_set},
    {"account.topup", true, account_topup},
    {"account.set-balance", true, account_set_balance},
    {"account.clock", false, account_clock},
    {"account.statement", false, account_statement},
    {"account.usage", false, account_usage},
    {"account.voucher", true, account_voucher},
    {"account.pack", true, account_pack},
    {"account.reserve", true, account_reserve},
    {"account.release", true, account_release},
    {"account.refund", true, account_refund},
    {"account.charge", true, account_charge},
    {"account.credit", true, account_credit},
    {"account.grace", true, account_grace},
    {"account.due", true, account_due},
    {NULL, false, NULL},
};
