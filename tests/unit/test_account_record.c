/* Promises of account records: what is written reads back, what may not be is refused on both ways, old ones are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "account/account.h"
#include "codec/codec.h"

#define ACCOUNT .account = 9
#define LONG_129                                                                                                       \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"             \
    "01234567890123456789012345678"

static const struct usage_line good_line = {.account = 9,
                                            .bucket = 12,
                                            .bucket_name = {"photos", 6},
                                            .access_key = {"HFX", 3},
                                            .class = CLASS_ARCHIVE,
                                            .kind = REQUEST_READ,
                                            .status = 206,
                                            .requests = 3,
                                            .egress_bytes = 1ULL << 40,
                                            .egress = ITEM_EGRESS_CDN,
                                            .retrieved_bytes = 1ULL << 41};

#define USAGE(line)                                                                                                    \
    {                                                                                                                  \
        .type = REC_USAGE, .usage = (line), .n_usage = 1                                                               \
    }
#define PACK                                                                                                           \
    .type = REC_MONEY, ACCOUNT, .money = MONEY_PACK, .amount_nano = 5, .from_ns = 1, .until_ns = 2,                    \
    .scope = VIEW("egress.internet"), .quantity = VIEW("100.5")
#define REQUEST                                                                                                        \
    .type = REC_BUDGET, ACCOUNT, .step = BUDGET_REQUEST, .amount_nano = 5, .scope = VIEW("bucket:photos"),             \
    .period = BUDGET_QUARTER, .actor = VIEW("ann"), .role = VIEW("owner"), .note = VIEW("more")
#define MARK .type = REC_BUDGET, ACCOUNT, .step = BUDGET_MARK, .budget = 4, .level = 101, .cause = 6, .from_ns = 7

static const struct account_rec good[] = {
    {.type = REC_ACCOUNT,
     .name = VIEW("tc-prod"),
     .currency = VIEW("CNY"),
     .prices = VIEW("tencent-cos"),
     .timetable = VIEW("aws"),
     .upstream = VIEW("tencent")},
    {.type = REC_ACCOUNT, .name = VIEW("a"), .currency = VIEW("CNY"), .prices = VIEW("p"), .timetable = VIEW("t")},
    {.type = REC_TOPUP, ACCOUNT, .amount_nano = INT64_MAX, .ref = VIEW("R")},
    {.type = REC_TOPUP, ACCOUNT, .amount_nano = 1},
    {.type = REC_KEY, ACCOUNT, .access_key = VIEW("HFX")},
    {.type = REC_KEY_REVOKE, .access_key = VIEW("HFX")},
    USAGE(&good_line),
    {.type = REC_STAGE, ACCOUNT, .name = VIEW("a"), .stage = STAGE_ACTIVE, .cause = 77},
    {.type = REC_STAGE, ACCOUNT, .name = VIEW("a"), .stage = STAGE_PURGEABLE, .cause = UINT64_MAX},
    {.type = REC_PRICES, .name = VIEW("x"), .book = BOOK_PRICES, .text = VIEW("y: 1")},
    {.type = REC_PRICES, .name = VIEW("x"), .book = BOOK_RATES, .text = VIEW("y: 1")},
    {.type = REC_MONEY, ACCOUNT, .money = MONEY_VOUCHER, .amount_nano = 5, .until_ns = 9, .scope = VIEW("requests.*")},
    {PACK},
    {PACK, .ref = VIEW("R"), .note = VIEW("yearly"), .actor = VIEW("ann"), .role = VIEW("finance")},
    {.type = REC_MONEY, ACCOUNT, .money = MONEY_RESERVE, .amount_nano = 5, .ref = VIEW("R")},
    {.type = REC_MONEY, ACCOUNT, .money = MONEY_RELEASE, .ref = VIEW("R")},
    {.type = REC_MONEY, ACCOUNT, .money = MONEY_REFUND, .amount_nano = 5},
    {.type = REC_MONEY, ACCOUNT, .money = MONEY_CHARGE, .amount_nano = 5, .note = VIEW("set-up")},
    {.type = REC_MONEY, ACCOUNT, .money = MONEY_CREDIT, .amount_nano = 5, .note = VIEW("our fault")},
    {.type = REC_BALANCE, ACCOUNT, .amount_nano = INT64_MIN, .has_burn = true, .burn_nano = 0},
    {.type = REC_BALANCE, ACCOUNT, .amount_nano = 0},
    {.type = REC_GRACE, ACCOUNT, .until_ns = 9, .note = VIEW("ticket 4711")},
    {.type = REC_GRACE, ACCOUNT, .cancelled = true},
    {.type = REC_DUE, ACCOUNT, .amount_nano = 5, .until_ns = 9, .monthly = true, .note = VIEW("rent")},
    {.type = REC_DUE, ACCOUNT, .ref = VIEW("R"), .cancelled = true},
    {REQUEST},
    {.type = REC_BUDGET, ACCOUNT, .step = BUDGET_REVIEW, .budget = 4, .approved = true, .actor = VIEW("eve")},
    {.type = REC_BUDGET, ACCOUNT, .step = BUDGET_REVIEW, .budget = 4},
    {.type = REC_BUDGET, ACCOUNT, .step = BUDGET_ALLOCATE, .budget = 4, .amount_nano = 3},
    {.type = REC_BUDGET, ACCOUNT, .step = BUDGET_CLOSE, .budget = 4},
    {MARK},
    {.type = REC_QUOTA, ACCOUNT, .scope = VIEW("photos"), .quota = {0, QUOTA_NONE, 7, UINT64_MAX - 1}},
    {.type = REC_QUOTA, ACCOUNT, .quota = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE}},
    {.type = REC_ACCOUNT_SET, ACCOUNT, .prices = VIEW("aws-s3")},
    {.type = REC_ACCOUNT_SET,
     ACCOUNT,
     .timetable = VIEW("aws"),
     .has_credit = true,
     .has_late_fee = true,
     .late_fee = VIEW("0.0005"),
     .has_max_age = true,
     .max_age_ns = 1},
};
#define GOOD (sizeof(good) / sizeof(good[0]))

static void assert_same_view(struct view a, struct view b)
{
    assert_true(view_eq(a, b));
}

static void assert_same_texts(const struct account_rec *a, const struct account_rec *b)
{
    assert_same_view(a->name, b->name);
    assert_same_view(a->currency, b->currency);
    assert_same_view(a->prices, b->prices);
    assert_same_view(a->timetable, b->timetable);
    assert_same_view(a->upstream, b->upstream);
    assert_same_view(a->ref, b->ref);
    assert_same_view(a->access_key, b->access_key);
    assert_same_view(a->text, b->text);
    assert_same_view(a->scope, b->scope);
    assert_same_view(a->quantity, b->quantity);
    assert_same_view(a->note, b->note);
    assert_same_view(a->late_fee, b->late_fee);
    assert_same_view(a->actor, b->actor);
    assert_same_view(a->role, b->role);
}

static void assert_same(const struct account_rec *a, const struct account_rec *b)
{
    assert_same_texts(a, b);
    assert_true(a->account == b->account && a->amount_nano == b->amount_nano && a->stage == b->stage);
    assert_true(a->cause == b->cause && a->book == b->book && a->money == b->money && a->from_ns == b->from_ns);
    assert_true(a->until_ns == b->until_ns && a->has_burn == b->has_burn && a->burn_nano == b->burn_nano);
    assert_true(a->monthly == b->monthly && a->cancelled == b->cancelled && a->has_credit == b->has_credit);
    assert_true(a->credit_nano == b->credit_nano && a->has_late_fee == b->has_late_fee);
    assert_true(a->has_max_age == b->has_max_age && a->max_age_ns == b->max_age_ns && a->step == b->step);
    assert_true(a->period == b->period && a->budget == b->budget && a->approved == b->approved);
    assert_true(a->level == b->level && a->n_usage == b->n_usage);
    assert_memory_equal(a->quota, b->quota, sizeof(a->quota));
}

static void each_record_reads_back_as_written(void **state)
{
    (void)state;
    struct buf b = BUF(1 << 20), again = BUF(1 << 20);
    struct arena a = ARENA(1 << 20);
    for (size_t i = 0; i < GOOD; i++) {
        struct account_rec got;
        buf_clear(&b);
        buf_clear(&again);
        if (account_rec_encode(&good[i], &b) != RC_OK ||
            account_rec_decode(good[i].type, buf_view(&b), &a, &got) != RC_OK)
            fail_msg("case %zu, type %d", i, (int)good[i].type);
        assert_same(&good[i], &got);
        assert_int_equal(account_rec_encode(&got, &again), RC_OK);
        assert_same_view(buf_view(&b), buf_view(&again));
    }
    buf_free(&b);
    buf_free(&again);
    arena_free(&a);
}

static void a_usage_line_reads_back_as_written(void **state)
{
    (void)state;
    struct buf b = BUF(1 << 20);
    struct arena a = ARENA(1 << 20);
    const struct usage_line lines[] = {
        good_line, {.account = 1, .kind = REQUEST_WRITE, .status = 503, .requests = 1, .egress = ITEM_EGRESS_INTERNET}};
    const struct account_rec r = {.type = REC_USAGE, .usage = lines, .n_usage = 2};
    struct account_rec got;
    assert_int_equal(account_rec_encode(&r, &b), RC_OK);
    assert_int_equal(account_rec_decode(REC_USAGE, buf_view(&b), &a, &got), RC_OK);
    assert_int_equal(got.n_usage, 2);
    const struct usage_line *u = got.usage;
    assert_true(u->account == 9 && u->bucket == 12 && view_eqs(u->bucket_name, "photos"));
    assert_true(view_eqs(u->access_key, "HFX") && u->class == CLASS_ARCHIVE && u->kind == REQUEST_READ);
    assert_true(u->status == 206 && u->requests == 3 && u->egress_bytes == 1ULL << 40);
    assert_true(u->egress == ITEM_EGRESS_CDN && u->retrieved_bytes == 1ULL << 41);
    assert_true(u[1].status == 503 && u[1].kind == REQUEST_WRITE && u[1].bucket == 0 && u[1].retrieved_bytes == 0);
    buf_free(&b);
    arena_free(&a);
}

#define LINE(...) USAGE((&(const struct usage_line){__VA_ARGS__}))
#define MONEY(...)                                                                                                     \
    {                                                                                                                  \
        .type = REC_MONEY, ACCOUNT, __VA_ARGS__                                                                        \
    }
#define BUDGET(...)                                                                                                    \
    {                                                                                                                  \
        .type = REC_BUDGET, ACCOUNT, __VA_ARGS__                                                                       \
    }
#define SET(...)                                                                                                       \
    {                                                                                                                  \
        .type = REC_ACCOUNT_SET, ACCOUNT, __VA_ARGS__                                                                  \
    }

static const struct account_rec bad[] = {
    {.type = REC_OBJECT, ACCOUNT},
    {.type = REC_ACCOUNT, .name = VIEW("a"), .currency = VIEW("CNY"), .prices = VIEW("p")},
    {.type = REC_ACCOUNT,
     .name = VIEW("a"),
     .currency = VIEW("CNY"),
     .prices = VIEW("p"),
     .timetable = VIEW("t"),
     .upstream = VIEW("Tencent Cloud")},
    {.type = REC_TOPUP, ACCOUNT, .amount_nano = 0},
    {.type = REC_TOPUP, ACCOUNT, .amount_nano = -1},
    {.type = REC_TOPUP, ACCOUNT, .amount_nano = INT64_MIN},
    {.type = REC_TOPUP, .amount_nano = 1},
    {.type = REC_TOPUP, ACCOUNT, .amount_nano = 1, .ref = VIEW(LONG_129)},
    {.type = REC_TOPUP, ACCOUNT, .amount_nano = 1, .ref = VIEW("\xff")},
    {.type = REC_KEY, ACCOUNT},
    {.type = REC_KEY_REVOKE},
    {.type = REC_USAGE},
    LINE(.kind = REQUEST_READ, .status = 200, .egress = ITEM_EGRESS_CDN),
    LINE(ACCOUNT, .kind = REQUEST_ALL, .status = 200, .egress = ITEM_EGRESS_CDN),
    LINE(ACCOUNT, .kind = REQUEST_KINDS, .status = 200, .egress = ITEM_EGRESS_CDN),
    LINE(ACCOUNT, .kind = REQUEST_READ, .status = 99, .egress = ITEM_EGRESS_CDN),
    LINE(ACCOUNT, .kind = REQUEST_READ, .status = 600, .egress = ITEM_EGRESS_CDN),
    LINE(ACCOUNT, .kind = REQUEST_READ, .status = 200, .egress = ITEM_STORAGE),
    LINE(ACCOUNT, .kind = REQUEST_READ, .status = 200, .egress = ITEM_COUNT),
    LINE(ACCOUNT, .kind = REQUEST_READ, .status = 200, .egress = ITEM_EGRESS_CDN, .class = CLASS_COUNT),
    LINE(ACCOUNT, .kind = REQUEST_READ, .status = 200, .egress = ITEM_EGRESS_CDN, .requests = 1ULL << 63),
    LINE(ACCOUNT, .kind = REQUEST_READ, .status = 200, .egress = ITEM_EGRESS_CDN, .retrieved_bytes = 1ULL << 63),
    {.type = REC_STAGE, ACCOUNT, .name = VIEW("a"), .stage = STAGE_STOP},
    {.type = REC_PRICES, .name = VIEW("x"), .book = BOOK_KINDS, .text = VIEW("y: 1")},
    {.type = REC_PRICES, .name = VIEW("X"), .text = VIEW("y: 1")},
    MONEY(.money = MONEY_KINDS, .amount_nano = 5),
    MONEY(.money = MONEY_VOUCHER, .amount_nano = 0, .until_ns = 9),
    MONEY(.money = MONEY_VOUCHER, .amount_nano = 5),
    MONEY(.money = MONEY_VOUCHER, .amount_nano = 5, .from_ns = 9, .until_ns = 9),
    MONEY(.money = MONEY_VOUCHER, .amount_nano = 5, .from_ns = -1, .until_ns = 9),
    MONEY(.money = MONEY_VOUCHER, .amount_nano = 5, .until_ns = 9, .quantity = VIEW("1")),
    MONEY(.money = MONEY_VOUCHER, .amount_nano = 5, .until_ns = 9, .scope = VIEW("\xff")),
    MONEY(.money = MONEY_PACK, .until_ns = 2, .scope = VIEW("egress"), .quantity = VIEW("1")),
    MONEY(.money = MONEY_PACK, .until_ns = 2, .scope = VIEW("late-fee"), .quantity = VIEW("1")),
    MONEY(.money = MONEY_PACK, .until_ns = 2, .scope = VIEW("egress.cdn"), .quantity = VIEW("0")),
    MONEY(.money = MONEY_PACK, .until_ns = 2, .scope = VIEW("egress.cdn"), .quantity = VIEW("-1")),
    MONEY(.money = MONEY_PACK, .until_ns = 2, .scope = VIEW("egress.cdn"), .quantity = VIEW("1e3")),
    MONEY(.money = MONEY_PACK, .until_ns = 2, .scope = VIEW("egress.cdn")),
    MONEY(.money = MONEY_PACK, .scope = VIEW("egress.cdn"), .quantity = VIEW("1")),
    MONEY(.money = MONEY_PACK, .until_ns = 2, .scope = VIEW("egress.cdn"), .quantity = VIEW("1"), .amount_nano = -1),
    MONEY(.money = MONEY_RESERVE, .amount_nano = 5),
    MONEY(.money = MONEY_RESERVE, .ref = VIEW("R")),
    MONEY(.money = MONEY_RESERVE, .amount_nano = 5, .ref = VIEW("R"), .until_ns = 4),
    MONEY(.money = MONEY_RELEASE),
    MONEY(.money = MONEY_RELEASE, .ref = VIEW("R"), .amount_nano = 5),
    MONEY(.money = MONEY_REFUND, .amount_nano = -5),
    MONEY(.money = MONEY_CHARGE, .amount_nano = 5),
    MONEY(.money = MONEY_CREDIT, .note = VIEW("x")),
    {.type = REC_MONEY, .money = MONEY_REFUND, .amount_nano = 5},
    {.type = REC_BALANCE, .amount_nano = 5},
    {.type = REC_BALANCE, ACCOUNT, .has_burn = true, .burn_nano = -1},
    {.type = REC_GRACE, ACCOUNT, .until_ns = 9},
    {.type = REC_GRACE, ACCOUNT, .note = VIEW("x")},
    {.type = REC_GRACE, ACCOUNT, .until_ns = 9, .cancelled = true},
    {.type = REC_DUE, ACCOUNT, .until_ns = 9},
    {.type = REC_DUE, ACCOUNT, .amount_nano = 9},
    {.type = REC_DUE, ACCOUNT, .cancelled = true},
    {.type = REC_DUE, ACCOUNT, .amount_nano = -9, .until_ns = 9},
    BUDGET(.step = BUDGET_REQUEST, .scope = VIEW("account")),
    BUDGET(.step = BUDGET_REQUEST, .amount_nano = 5),
    BUDGET(.step = BUDGET_REQUEST, .amount_nano = 5, .scope = VIEW("bucket:")),
    BUDGET(.step = BUDGET_REQUEST, .amount_nano = 5, .scope = VIEW("department:")),
    BUDGET(.step = BUDGET_REQUEST, .amount_nano = 5, .scope = VIEW("tag:key")),
    BUDGET(.step = BUDGET_REQUEST, .amount_nano = 5, .scope = VIEW("tag:=value")),
    BUDGET(.step = BUDGET_REQUEST, .amount_nano = 5, .scope = VIEW("accounts")),
    BUDGET(.step = BUDGET_REQUEST, .amount_nano = 5, .scope = VIEW("account"), .budget = 3),
    BUDGET(.step = BUDGET_REQUEST, .amount_nano = 5, .scope = VIEW("account"), .period = BUDGET_QUARTER + 1),
    BUDGET(.step = BUDGET_REVIEW, .approved = true),
    BUDGET(.step = BUDGET_REVIEW, .budget = 4, .scope = VIEW("account")),
    BUDGET(.step = BUDGET_ALLOCATE, .budget = 4),
    BUDGET(.step = BUDGET_ALLOCATE, .budget = 4, .amount_nano = 5, .approved = true),
    BUDGET(.step = BUDGET_MARK, .budget = 4, .level = 99, .cause = 6, .from_ns = 7),
    BUDGET(.step = BUDGET_MARK, .budget = 4, .level = 100, .from_ns = 7),
    BUDGET(.step = BUDGET_CLOSE, .budget = 4, .level = 100),
    BUDGET(.step = BUDGET_STEPS, .budget = 4),
    {.type = REC_QUOTA},
    {.type = REC_QUOTA, ACCOUNT, .scope = VIEW(LONG_129)},
    {.type = REC_ACCOUNT_SET, ACCOUNT},
    SET(.prices = VIEW("AWS")),
    SET(.has_credit = true, .credit_nano = -1),
    SET(.has_late_fee = true),
    SET(.has_late_fee = true, .late_fee = VIEW("1.0001")),
    SET(.has_late_fee = true, .late_fee = VIEW("0.0000000001")),
    SET(.has_late_fee = true, .late_fee = VIEW("-0.1")),
    SET(.has_late_fee = true, .late_fee = VIEW("0.05 %")),
    SET(.has_max_age = true),
    SET(.has_credit = true, .actor = VIEW(LONG_129)),
    SET(.has_credit = true, .note = VIEW("\xc3")),
};

static void what_may_not_be_is_not_written(void **state)
{
    (void)state;
    struct buf b = BUF(1 << 20);
    assert_int_equal(buf_puts(&b, "before"), RC_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (account_rec_encode(&bad[i], &b) != RC_INVALID)
            fail_msg("case %zu, type %d", i, (int)bad[i].type);
        assert_int_equal(b.n, 6);
    }
    buf_free(&b);
}

/* Numbers as they are on disk: account 1, amount 6, ref 7, stage 9, cause 10, book 12, money 15, quota 34. */
static void what_somebody_else_wrote_is_checked_the_same(void **state)
{
    (void)state;
    struct buf b = BUF(1024);
    struct arena a = ARENA(1024);
    struct account_rec got;
    static const int64_t amounts[] = {0, -1, INT64_MIN};
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
        buf_clear(&b);
        assert_int_equal(tlv_put_u64(&b, 1, 9), RC_OK);
        assert_int_equal(tlv_put_i64(&b, 6, amounts[i]), RC_OK);
        assert_int_equal(account_rec_decode(REC_TOPUP, buf_view(&b), &a, &got), RC_CORRUPT);
    }
    static const struct {
        enum rec_type type;
        uint32_t tag;
        uint64_t past;
    } limits[] = {
        {REC_STAGE, 9, 5}, {REC_PRICES, 12, 3}, {REC_MONEY, 15, 7}, {REC_DUE, 22, 2}, {REC_QUOTA, 34, QUOTA_NONE}};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        for (size_t k = 0; k < GOOD; k++) {
            if (good[k].type != limits[i].type)
                continue;
            buf_clear(&b);
            assert_int_equal(account_rec_encode(&good[k], &b), RC_OK);
            assert_int_equal(tlv_put_u64(&b, limits[i].tag, limits[i].past), RC_OK);
            assert_int_equal(account_rec_decode(limits[i].type, buf_view(&b), &a, &got), RC_CORRUPT);
        }
    }
    assert_int_equal(account_rec_decode(REC_OBJECT, VIEW(""), &a, &got), RC_CORRUPT);
    buf_free(&b);
    arena_free(&a);
}

/* Every prefix that is cut inside a field is corrupt, and one that lacks a field its type must have. */
static void truncated_records_are_corrupt(void **state)
{
    (void)state;
    struct buf b = BUF(4096);
    struct arena a = ARENA(1 << 20);
    for (size_t i = 0; i < GOOD; i++) {
        struct account_rec got;
        bool whole = false;
        buf_clear(&b);
        assert_int_equal(account_rec_encode(&good[i], &b), RC_OK);
        assert_int_equal(account_rec_decode(good[i].type, VIEW(""), &a, &got), RC_CORRUPT);
        for (size_t n = 0; n < b.n; n++) {
            struct tlv t = {view_of(b.p, n)};
            uint32_t tag;
            struct view value;
            enum rc rc;
            while ((rc = tlv_next(&t, &tag, &value)) == RC_OK)
                continue;
            whole = rc == RC_END;
            rc = account_rec_decode(good[i].type, view_of(b.p, n), &a, &got);
            assert_true(rc == RC_CORRUPT || (whole && rc == RC_OK));
        }
    }
    buf_free(&b);
    arena_free(&a);
}

static void fields_of_other_types_and_later_versions_are_skipped(void **state)
{
    (void)state;
    struct buf b = BUF(4096);
    struct arena a = ARENA(1 << 20);
    struct account_rec got;
    for (size_t i = 0; i < GOOD; i++) {
        buf_clear(&b);
        assert_int_equal(account_rec_encode(&good[i], &b), RC_OK);
        assert_int_equal(tlv_put(&b, 999, VIEW("new")), RC_OK);
        assert_int_equal(tlv_put(&b, 63, VIEW("new")), RC_OK);
        if (good[i].type != REC_PRICES)
            assert_int_equal(tlv_put(&b, 13, VIEW("a text")), RC_OK);
        assert_int_equal(account_rec_decode(good[i].type, buf_view(&b), &a, &got), RC_OK);
        assert_same(&good[i], &got);
    }
    buf_free(&b);
    arena_free(&a);
}

/* Before there were statuses a line held their class only, and no kind. */
static void a_usage_line_of_an_earlier_version_is_read(void **state)
{
    (void)state;
    struct buf line = BUF(512), b = BUF(1024);
    struct arena a = ARENA(1 << 20);
    struct account_rec got;
    assert_int_equal(tlv_put_u64(&line, 1, 9), RC_OK);
    assert_int_equal(tlv_put_u64(&line, 6, 4), RC_OK);
    assert_int_equal(tlv_put_u64(&line, 7, 3), RC_OK);
    assert_int_equal(tlv_put(&b, 11, buf_view(&line)), RC_OK);
    assert_int_equal(account_rec_decode(REC_USAGE, buf_view(&b), &a, &got), RC_OK);
    assert_true(got.usage[0].status == 400 && got.usage[0].kind == REQUEST_READ && got.usage[0].requests == 3);
    assert_int_equal(tlv_put_u64(&line, 10, 403), RC_OK);
    assert_int_equal(tlv_put_u64(&line, 11, REQUEST_ALL), RC_OK);
    buf_clear(&b);
    assert_int_equal(tlv_put(&b, 11, buf_view(&line)), RC_OK);
    assert_int_equal(account_rec_decode(REC_USAGE, buf_view(&b), &a, &got), RC_CORRUPT);
    buf_free(&line);
    buf_free(&b);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_reads_back_as_written),
        cmocka_unit_test(a_usage_line_reads_back_as_written),
        cmocka_unit_test(what_may_not_be_is_not_written),
        cmocka_unit_test(what_somebody_else_wrote_is_checked_the_same),
        cmocka_unit_test(truncated_records_are_corrupt),
        cmocka_unit_test(fields_of_other_types_and_later_versions_are_skipped),
        cmocka_unit_test(a_usage_line_of_an_earlier_version_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
