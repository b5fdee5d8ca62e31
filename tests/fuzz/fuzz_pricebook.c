/* Holdfast: a price book or timetable that is accepted is usable, and one that is not says where it is wrong. The first
 * byte chooses which of the two the rest is read as. */
#include "account/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same text is the same version, and every cell can be rated. */
static void assert_book(const struct price_book *b, struct view yaml)
{
    HF_ASSERT(view_eq(view_of(b->id.text, b->id.text_n), yaml) && b->id.id <= INT64_MAX);
    HF_ASSERT(strlen(b->currency) == BOOK_CURRENCY_LEN && b->utc_offset_s % 3600 == 0);
    for (unsigned cell = 0; cell < PRICE_CELLS; cell++) {
        int64_t less, more;
        HF_ASSERT(price_rate(b, cell, 0, &less) == RC_OK && less == 0);
        HF_ASSERT(price_rate(b, cell, 1000, &less) == RC_OK && price_rate(b, cell, 1001, &more) == RC_OK);
        HF_ASSERT(less >= 0 && more >= less);
    }
}

/* Stages only ever get worse. */
static void assert_timetable(const struct timetable *t)
{
    enum stage last = STAGE_ACTIVE;
    for (int64_t day = -1; day < 4000; day++) {
        enum stage s = timetable_stage(t, day * 86400 * NS_PER_S);
        HF_ASSERT(s >= last);
        last = s;
    }
    HF_ASSERT(last == STAGE_PURGEABLE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct price_book *b = NULL;
    struct timetable *t = NULL;
    struct err e = {.text = ""};

    if (size == 0)
        return 0;
    struct view yaml = view_of(data + 1, size - 1);
    enum rc rc = data[0] % 2 ? timetable_parse("f", yaml, &t, &e) : price_book_parse("f", yaml, &b, &e);
    if (rc != RC_OK)
        HF_ASSERT(!b && !t && strncmp(e.text, "f:", 2) == 0);
    if (b)
        assert_book(b, yaml);
    if (t)
        assert_timetable(t);
    price_book_free(b);
    timetable_free(t);
    return 0;
}
