/* Arrears timetables: the dates and rules of each cloud, and what is wrong is refused with its place. */
#include "book_help.h"

#include "base/clock.h"

#define HOUR (3600 * NS_PER_S)
#define DAY (24 * HOUR)

static struct timetable *table_of(struct view text)
{
    struct timetable *t = NULL;
    struct err e = {.text = ""};
    if (timetable_parse("t.yaml", text, &t, &e) != RC_OK)
        fail_msg("%s", e.text);
    return t;
}

static void timetable_walks_through_its_stages(void **state)
{
    (void)state;
    struct timetable *t = table_of(embedded("timetables/tencent-cos.yaml"));
    assert_int_equal(timetable_stage(t, -1), STAGE_ACTIVE);
    assert_int_equal(timetable_stage(t, 0), STAGE_WARN);
    assert_int_equal(timetable_stage(t, 24 * HOUR - 1), STAGE_WARN);
    assert_int_equal(timetable_stage(t, 24 * HOUR), STAGE_STOP);
    assert_int_equal(timetable_stage(t, 15 * DAY - 1), STAGE_STOP);
    assert_int_equal(timetable_stage(t, 15 * DAY), STAGE_RETENTION);
    assert_int_equal(timetable_stage(t, 120 * DAY - 1), STAGE_RETENTION);
    assert_int_equal(timetable_stage(t, 120 * DAY), STAGE_PURGEABLE);
    assert_int_equal(timetable_stage(t, INT64_MAX), STAGE_PURGEABLE);
    assert_int_equal(timetable_rule(t, -1), STAGE_ALL);
    assert_int_equal(timetable_rule(t, 0), STAGE_ALL);
    assert_int_equal(timetable_rule(t, 24 * HOUR), STAGE_NOTHING);
    assert_int_equal(timetable_rule(t, INT64_MAX), STAGE_NOTHING);
    assert_string_equal(t->words, "Due to your account is arrears, it is unavailable until you recharge.");
    timetable_free(t);
}

static void each_cloud_has_its_dates(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t stop, earliest, latest;
        enum stage_rule stopped;
    } clouds[] = {
        {"tencent-cos", 24 * HOUR, 15 * DAY, 120 * DAY, STAGE_NOTHING},
        {"aliyun-oss-cn", 24 * HOUR, 16 * DAY, 16 * DAY, STAGE_NOTHING},
        {"aliyun-oss-intl", 360 * HOUR, 22 * DAY, 22 * DAY, STAGE_NOTHING},
        {"huawei-obs-v0", 0, 1 * DAY, 1 * DAY, STAGE_NOTHING},
        {"huawei-obs-v1", 0, 7 * DAY, 7 * DAY, STAGE_NOTHING},
        {"huawei-obs-v2", 0, 7 * DAY, 7 * DAY, STAGE_NOTHING},
        {"huawei-obs-v3", 1 * DAY, 8 * DAY, 8 * DAY, STAGE_NOTHING},
        {"huawei-obs-v4", 7 * DAY, 22 * DAY, 22 * DAY, STAGE_NOTHING},
        {"huawei-obs-v5", 7 * DAY, 22 * DAY, 22 * DAY, STAGE_NOTHING},
        {"aws", 72 * HOUR, 90 * DAY, 93 * DAY, STAGE_KEYS_INVALID},
    };
    for (size_t i = 0; i < sizeof(clouds) / sizeof(clouds[0]); i++) {
        char file[64];
        snprintf(file, sizeof(file), "timetables/%s.yaml", clouds[i].name);
        struct timetable *t = table_of(embedded(file));
        assert_string_equal(t->id.name, clouds[i].name);
        assert_int_equal(t->stop_ns, clouds[i].stop);
        assert_int_equal(t->destroy_earliest_ns, clouds[i].earliest);
        assert_int_equal(t->destroy_latest_ns, clouds[i].latest);
        assert_int_equal(timetable_rule(t, clouds[i].stop), clouds[i].stopped);
        assert_int_equal(timetable_rule(t, clouds[i].latest), clouds[i].stopped);
        if (clouds[i].stop > 0)
            assert_int_equal(timetable_rule(t, 0), STAGE_ALL);
        timetable_free(t);
    }
}

static void steps_are_stricter_within_a_stage(void **state)
{
    (void)state;
    struct timetable *t = table_of(embedded("timetables/aws.yaml"));
    assert_int_equal(timetable_rule(t, 24 * HOUR - 1), STAGE_ALL);
    assert_int_equal(timetable_rule(t, 24 * HOUR), STAGE_NO_NEW_BUCKETS);
    assert_int_equal(timetable_stage(t, 24 * HOUR), STAGE_WARN);
    assert_int_equal(timetable_rule(t, 72 * HOUR - 1), STAGE_NO_NEW_BUCKETS);
    assert_int_equal(timetable_rule(t, 72 * HOUR), STAGE_KEYS_INVALID);
    timetable_free(t);
    /* A step may be milder than its stage: the stage's rule holds. */
    char *yaml = changed(embedded("timetables/tencent-cos.yaml"), "refusal:",
                         "steps: [{after: 2, unit: days-after-stop, allowed: read-only, source: s, as_of: 2026-01}]\n"
                         "refusal:");
    t = table_of(view_cstr(yaml));
    assert_int_equal(t->step[0].after_ns, 3 * DAY);
    assert_int_equal(timetable_rule(t, 4 * DAY), STAGE_NOTHING);
    timetable_free(t);
    free(yaml);
}

#define STEP "source: s, as_of: 2026-01}"
static const struct bad bad_tables[] = {
    {"value: 24", "value: -24", "t.yaml:10:10: `value` must be a whole number"},
    {"value: 24", "value: 1000", "after destroy_earliest"},
    {"value: 15", "value: 121", "after destroy_latest"},
    {"value: 15", "value: 99999", "from 0 to 3650"},
    {"unit: hours-after-zero", "unit: hours-after-stop", "`hours-after-zero, days-after-zero`"},
    {"unit: days-after-zero", "unit: weeks-after-zero",
     "`hours-after-zero, days-after-zero, hours-after-stop, days-after-stop`"},
    {"  warn:      {value: all", "  warn:      {value: most", "all, no-new-buckets, read-only, nothing, keys-invalid"},
    {"  retention:", "  retained:", "`retention` is missing"},
    {"as_of: 2026-11", "as_of: 2026-11-40", "as_of"},
    {"recharge.\"", "recharge.\\n\"", "one line"},
    {"title:", "titel:", "unknown key"},
    {"refusal:", "steps: {}\nrefusal:", "`steps` must be a list"},
    {"refusal:", "steps: [1]\nrefusal:", "a step is a map"},
    {"refusal:", "steps: [{after: 1, unit: hours-after-zero, allowed: read-only, as_of: 2026-01}]\nrefusal:",
     "`source` is missing"},
    {"refusal:", "steps: [{after: 1, unit: hours-after-zero, allowed: some, " STEP "]\nrefusal:", "must be one of"},
    {"refusal:", "steps: [{after: x, unit: hours-after-zero, allowed: all, " STEP "]\nrefusal:", "whole number"},
    {"refusal:", "steps: [{after: 1, unit: hours-after-zero, allowed: all, until: 4, " STEP "]\nrefusal:",
     "unknown key: until"},
    {"refusal:",
     "steps: [{after: 24, unit: hours-after-zero, allowed: all, " STEP
     ", {after: 1, unit: days-after-zero, allowed: all, " STEP "]\nrefusal:",
     "must ascend"},
};

static void a_wrong_timetable_is_refused_with_its_place(void **state)
{
    (void)state;
    struct view text = embedded("timetables/tencent-cos.yaml");
    for (size_t i = 0; i < sizeof(bad_tables) / sizeof(bad_tables[0]); i++) {
        struct timetable *t = NULL;
        struct err e = {.text = ""};
        char *yaml = changed(text, bad_tables[i].from, bad_tables[i].to);
        assert_int_equal(timetable_parse("t.yaml", view_cstr(yaml), &t, &e), RC_INVALID);
        assert_null(t);
        if (strncmp(e.text, "t.yaml:", 7) != 0 || !strstr(e.text, bad_tables[i].says))
            fail_msg("case %zu (%s): %s", i, bad_tables[i].says, e.text);
        free(yaml);
    }
}

static void a_timetable_that_is_no_map_or_empty_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "42\n", "- a\n- b\n", "name: [x]\n", "name: &a x\n", "a: b: c\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct timetable *t;
        struct err e;
        assert_int_equal(timetable_parse("t", view_cstr(texts[i]), &t, &e), RC_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timetable_walks_through_its_stages),
        cmocka_unit_test(each_cloud_has_its_dates),
        cmocka_unit_test(steps_are_stricter_within_a_stage),
        cmocka_unit_test(a_wrong_timetable_is_refused_with_its_place),
        cmocka_unit_test(a_timetable_that_is_no_map_or_empty_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
