/* Holdfast: an account record that is accepted means the same when it is written and read again. The first byte chooses
 * the type. */
#include "account/account.h"

#define ARENA_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same_line(const struct usage_line *a, const struct usage_line *b)
{
    HF_ASSERT(a->account == b->account && a->bucket == b->bucket && view_eq(a->bucket_name, b->bucket_name));
    HF_ASSERT(view_eq(a->access_key, b->access_key) && a->class == b->class && a->status == b->status);
    HF_ASSERT(a->requests == b->requests && a->egress_bytes == b->egress_bytes && a->egress == b->egress);
    HF_ASSERT(a->kind == b->kind && a->retrieved_bytes == b->retrieved_bytes);
    HF_ASSERT(a->status >= 100 && a->status < 600 && a->kind > REQUEST_ALL && a->kind < REQUEST_KINDS);
}

static void assert_same_texts(const struct account_rec *a, const struct account_rec *b)
{
    HF_ASSERT(view_eq(a->name, b->name) && view_eq(a->currency, b->currency) && view_eq(a->upstream, b->upstream));
    HF_ASSERT(view_eq(a->prices, b->prices) && view_eq(a->timetable, b->timetable) && view_eq(a->ref, b->ref));
    HF_ASSERT(view_eq(a->access_key, b->access_key) && view_eq(a->text, b->text) && view_eq(a->scope, b->scope));
    HF_ASSERT(view_eq(a->quantity, b->quantity) && view_eq(a->note, b->note) && view_eq(a->late_fee, b->late_fee));
    HF_ASSERT(view_eq(a->actor, b->actor) && view_eq(a->role, b->role));
}

static void assert_same(const struct account_rec *a, const struct account_rec *b)
{
    assert_same_texts(a, b);
    HF_ASSERT(a->type == b->type && a->account == b->account && a->amount_nano == b->amount_nano);
    HF_ASSERT(a->stage == b->stage && a->cause == b->cause && a->book == b->book && a->money == b->money);
    HF_ASSERT(a->from_ns == b->from_ns && a->until_ns == b->until_ns && a->has_burn == b->has_burn);
    HF_ASSERT(a->burn_nano == b->burn_nano && a->monthly == b->monthly && a->cancelled == b->cancelled);
    HF_ASSERT(a->has_credit == b->has_credit && a->credit_nano == b->credit_nano && a->credit_nano >= 0);
    HF_ASSERT(a->has_late_fee == b->has_late_fee && a->has_max_age == b->has_max_age && a->max_age_ns == b->max_age_ns);
    HF_ASSERT(a->step == b->step && a->period == b->period && a->budget == b->budget && a->approved == b->approved);
    HF_ASSERT(a->level == b->level && memcmp(a->quota, b->quota, sizeof(a->quota)) == 0);
    HF_ASSERT(a->n_usage == b->n_usage && (a->n_usage > 0) == (a->type == REC_USAGE));
    for (size_t i = 0; i < a->n_usage; i++)
        assert_same_line(&a->usage[i], &b->usage[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum rec_type types[] = {REC_ACCOUNT, REC_TOPUP,  REC_KEY,   REC_KEY_REVOKE, REC_USAGE,
                                          REC_STAGE,   REC_PRICES, REC_MONEY, REC_BALANCE,    REC_GRACE,
                                          REC_DUE,     REC_BUDGET, REC_QUOTA, REC_ACCOUNT_SET};
    struct arena arena = ARENA(ARENA_MAX);
    struct buf out = BUF(ARENA_MAX);
    struct account_rec first, again;

    if (size == 0)
        return 0;
    enum rec_type type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
    enum rc rc = account_rec_decode(type, view_of(data + 1, size - 1), &arena, &first);
    HF_ASSERT(rc == RC_OK || rc == RC_CORRUPT);
    if (rc == RC_OK) {
        HF_ASSERT(account_rec_encode(&first, &out) == RC_OK);
        HF_ASSERT(account_rec_decode(type, view_of(out.p, out.n), &arena, &again) == RC_OK);
        assert_same(&first, &again);
    }
    arena_free(&arena);
    buf_free(&out);
    return 0;
}
