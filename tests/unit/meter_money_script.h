/* Records of money, budgets and their like, for tests of the meter's answers. Each test uses some of it. */
#ifndef HF_TESTS_METER_MONEY_SCRIPT_H
#define HF_TESTS_METER_MONEY_SCRIPT_H

#include "meter_script.h"

#define YUAN MONEY_NANO

static inline uint64_t push_voucher(struct script *s, uint64_t account, int64_t nano, const char *scope,
                                    int64_t until_ns)
{
    const struct account_rec r = {.type = REC_MONEY,
                                  .account = account,
                                  .money = MONEY_VOUCHER,
                                  .amount_nano = nano,
                                  .scope = view_cstr(scope),
                                  .until_ns = until_ns};
    return push_account_rec(s, &r);
}

static inline uint64_t push_pack(struct script *s, uint64_t account, const char *item, const char *quantity,
                                 int64_t cost, int64_t until_ns)
{
    const struct account_rec r = {.type = REC_MONEY,
                                  .account = account,
                                  .money = MONEY_PACK,
                                  .amount_nano = cost,
                                  .scope = view_cstr(item),
                                  .quantity = view_cstr(quantity),
                                  .from_ns = s->now_ns,
                                  .until_ns = until_ns};
    return push_account_rec(s, &r);
}

static inline uint64_t push_due(struct script *s, uint64_t account, int64_t nano, const char *ref, int64_t at_ns)
{
    const struct account_rec r = {.type = REC_DUE,
                                  .account = account,
                                  .amount_nano = nano,
                                  .ref = view_cstr(ref),
                                  .until_ns = at_ns,
                                  .note = VIEW("renewal")};
    return push_account_rec(s, &r);
}

static inline uint64_t push_upstream(struct script *s, const char *name)
{
    const struct account_rec r = {.type = REC_ACCOUNT,
                                  .name = view_cstr(name),
                                  .currency = VIEW("CNY"),
                                  .prices = VIEW("tencent-cos"),
                                  .timetable = VIEW("tencent-cos"),
                                  .upstream = VIEW("tencent")};
    return push_account_rec(s, &r);
}

static inline void push_balance(struct script *s, uint64_t account, int64_t nano, int64_t burn_nano)
{
    const struct account_rec r = {.type = REC_BALANCE,
                                  .account = account,
                                  .amount_nano = nano,
                                  .has_burn = burn_nano > 0,
                                  .burn_nano = burn_nano};
    push_account_rec(s, &r);
}

static inline json_t *clock_of(struct meter *m, const char *name, int64_t now_ns)
{
    json_t *o;
    struct err e = {.text = ""};
    if (meter_clock_json(m, view_cstr(name), now_ns, &o, &e) != RC_OK)
        fail_msg("%s", e.text);
    return o;
}

static inline double number_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v))
        fail_msg("no number %s", key);
    return json_number_value(v);
}

static inline void assert_near(double got, double want)
{
    if (got < want - 1e-6 || got > want + 1e-6)
        fail_msg("%f, not %f", got, want);
}

static inline int64_t nano_of(const json_t *o, const char *key)
{
    int64_t nano;
    if (money_parse(view_cstr(text_of(o, key)), &nano) != RC_OK)
        fail_msg("%s is no money", key);
    return nano;
}

#endif
