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
}

static void assert_same(const struct account_rec *a, const struct account_rec *b)
{
    switch (a->type) {
    case REC_ACCOUNT:
        HF_ASSERT(view_eq(a->name, b->name) && view_eq(a->currency, b->currency));
        HF_ASSERT(view_eq(a->prices, b->prices) && view_eq(a->timetable, b->timetable));
        break;
    case REC_TOPUP:
        HF_ASSERT(a->account == b->account && a->amount_nano == b->amount_nano && view_eq(a->ref, b->ref));
        HF_ASSERT(a->amount_nano > 0);
        break;
    case REC_KEY:
        HF_ASSERT(a->account == b->account && view_eq(a->access_key, b->access_key));
        break;
    case REC_KEY_REVOKE:
        HF_ASSERT(view_eq(a->access_key, b->access_key));
        break;
    case REC_STAGE:
        HF_ASSERT(a->account == b->account && a->stage == b->stage && a->cause == b->cause);
        break;
    case REC_PRICES:
        HF_ASSERT(a->is_timetable == b->is_timetable && view_eq(a->name, b->name) && view_eq(a->text, b->text));
        break;
    default:
        HF_ASSERT(a->n_usage == b->n_usage && a->n_usage > 0);
        for (size_t i = 0; i < a->n_usage; i++)
            assert_same_line(&a->usage[i], &b->usage[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum rec_type types[] = {REC_ACCOUNT, REC_TOPUP, REC_KEY,   REC_KEY_REVOKE,
                                          REC_USAGE,   REC_STAGE, REC_PRICES};
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
