/* The sequencer under many threads, its clock, and what a batch that cannot be made durable answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "account/registry.h"
#include "os/sim.h"
#include "sequence/seq_priv.h"
#include "sequence/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define THREADS 8
#define ROUNDS 60

struct world {
    struct os_sim *sim;
    struct engine *g;
};

static enum rc open_world(struct world *w, bool virtual_clock)
{
    static const char *const disks[] = {"/disk1", "/disk2"};
    struct engine_cfg cfg = {
        .disks = {.data_dir = "/data", .paths = disks, .n_paths = 2, .copies = 2, .virtual_clock = virtual_clock},
        .seq = {.virtual_clock = virtual_clock},
        .no_background = true,
        .memory_databases = true,
    };
    struct err e = {""};

    enum rc rc = engine_open(os_sim_os(w->sim), &cfg, &w->g, &e);
    if (rc != RC_OK)
        print_message("%s\n", e.text);
    return rc;
}

static void make_world(struct world *w, bool virtual_clock)
{
    *w = (struct world){NULL, NULL};
    assert_int_equal(os_sim_new(7, &w->sim), RC_OK);
    assert_int_equal(open_world(w, virtual_clock), RC_OK);
    struct cat_op op = {.kind = CAT_BUCKET_CREATE, .account = ACCOUNT_DEFAULT, .bucket = VIEW("bucket"), .requests = 1};
    struct seq_req r = {.op = &op};
    assert_int_equal(seq_call(w->g->seq, &r), RC_OK);
}

static void free_world(struct world *w)
{
    engine_close(w->g);
    os_sim_free(w->sim);
}

static enum rc put(struct engine *g, const char *key, const char *body, const char *if_none_match,
                   enum cat_why *ret_why)
{
    struct cat_op op = {.kind = CAT_PUT,
                        .account = ACCOUNT_DEFAULT,
                        .bucket = VIEW("bucket"),
                        .key = view_cstr(key),
                        .body = view_cstr(body),
                        .size = strlen(body),
                        .if_none_match = view_cstr(if_none_match),
                        .requests = 1};
    struct seq_req r = {.op = &op};

    enum rc rc = seq_call(g->seq, &r);
    *ret_why = r.cat.why;
    return rc;
}

struct racer {
    struct engine *g;
    _Atomic unsigned *won;
    unsigned round;
};

static void *race(void *ctx)
{
    struct racer *r = ctx;
    char key[32];
    enum cat_why why;

    for (unsigned i = 0; i < ROUNDS; i++) {
        snprintf(key, sizeof key, "key%u", i);
        if (put(r->g, key, "x", "*", &why) == RC_OK)
            atomic_fetch_add(&r->won[i], 1);
        else if (why != CAT_PRECONDITION_FAILED)
            HF_BUG("refused for another reason");
    }
    return NULL;
}

static void of_many_writers_with_if_none_match_exactly_one_wins(void **state)
{
    (void)state;
    struct world w;
    static _Atomic unsigned won[ROUNDS];
    pthread_t t[THREADS];
    struct racer r;

    make_world(&w, false);
    r = (struct racer){w.g, won, 0};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(os_thread(&t[i], "racer", race, &r), RC_OK);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(atomic_load(&won[i]), 1);
    assert_int_equal(cat_objects(w.g->cat), ROUNDS);
    free_world(&w);
}

static void no_answer_is_given_that_is_not_durable(void **state)
{
    (void)state;
    struct world w;
    enum cat_why why;

    make_world(&w, false);
    assert_int_equal(put(w.g, "before", "x", "", &why), RC_OK);
    os_sim_disk_set(w.sim, "/disk1", OS_SIM_DISK_DEAD);
    os_sim_disk_set(w.sim, "/disk2", OS_SIM_DISK_DEAD);
    assert_int_not_equal(put(w.g, "lost", "x", "", &why), RC_OK);
    /* A refusal that was decided on the lost write must not leave as if it had happened. */
    assert_int_equal(put(w.g, "lost", "x", "*", &why), RC_UNAVAILABLE);
    assert_int_equal(why, CAT_WHY_NONE);
    engine_close(w.g);
    os_sim_disk_set(w.sim, "/disk1", OS_SIM_DISK_OK);
    os_sim_disk_set(w.sim, "/disk2", OS_SIM_DISK_OK);
    os_sim_power_cut(w.sim, OS_SIM_LOSE_ALL);
    assert_int_equal(open_world(&w, false), RC_OK);
    assert_int_equal(put(w.g, "before", "x", "*", &why), RC_PRECONDITION);
    assert_int_equal(put(w.g, "lost", "x", "*", &why), RC_OK);
    free_world(&w);
}

static void versions_are_ordered_though_the_clock_stands_still(void **state)
{
    (void)state;
    struct world w;
    enum cat_why why;
    struct arena a = ARENA(1u << 20);
    struct cat_bucket b;
    struct cat_version v;
    int64_t last = 0;

    make_world(&w, true);
    assert_int_equal(cat_get_bucket(w.g->cat, VIEW("bucket"), &a, &b), RC_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(put(w.g, "k", "x", "", &why), RC_OK);
        assert_int_equal(cat_get_object(w.g->cat, b.id, VIEW("k"), (struct cat_want){.any_latest = true}, &a, &v),
                         RC_OK);
        assert_true(v.modified_ns > last);
        last = v.modified_ns;
    }
    arena_free(&a);
    free_world(&w);
}

static void an_advanced_clock_emits_every_tick_and_stands_where_it_was_told(void **state)
{
    (void)state;
    struct world w;
    struct err e;
    struct journal_reader *r = NULL;
    struct journal_rec rec;
    unsigned ticks = 0;

    make_world(&w, true);
    int64_t from = seq_now(w.g->seq);
    assert_int_equal(seq_advance(w.g->seq, 25 * 3600 * NS_PER_S + 7 * NS_PER_S, NULL, NULL, &e), RC_OK);
    assert_int_equal(seq_now(w.g->seq) - from, 25 * 3600 * NS_PER_S + 7 * NS_PER_S);
    assert_int_equal(journal_reader_open(w.g->journal, 1, &r, &e), RC_OK);
    while (journal_read(r, &rec, &e) == RC_OK)
        ticks += rec.type == REC_TICK && rec.time_ns % (TICK_S * NS_PER_S) == 0;
    journal_reader_close(r);
    assert_in_range(ticks, 300, 301);
    int64_t now = seq_now(w.g->seq);
    engine_close(w.g);
    assert_int_equal(open_world(&w, true), RC_OK);
    assert_int_equal(seq_now(w.g->seq) / NS_PER_S, now / NS_PER_S);
    assert_int_not_equal(seq_advance(w.g->seq, -1, NULL, NULL, &e), RC_OK);
    free_world(&w);
}

/* In how many different 5 minutes the journal has a tick. */
static unsigned ticks_apart(struct world *w)
{
    struct journal_reader *r;
    struct journal_rec rec;
    struct err e;
    int64_t last = -1;
    unsigned n = 0;

    assert_int_equal(journal_reader_open(w->g->journal, 1, &r, &e), RC_OK);
    while (journal_read(r, &rec, &e) == RC_OK) {
        int64_t slot = rec.time_ns / (TICK_S * NS_PER_S);
        n += rec.type == REC_TICK && slot > last;
        last = rec.type == REC_TICK ? slot : last;
    }
    journal_reader_close(r);
    return n;
}

static void a_real_clock_makes_up_the_ticks_it_missed(void **state)
{
    (void)state;
    struct world w;
    struct err e;

    make_world(&w, false);
    engine_close(w.g);
    os_sim_clock_add(w.sim, 3 * 3600 * NS_PER_S);
    assert_int_equal(open_world(&w, false), RC_OK);
    assert_int_equal(seq_settle(w.g->seq, &e), RC_OK);
    assert_true(ticks_apart(&w) >= 36); /* each in its own 5 minutes: one that is late samples nothing */
    assert_int_not_equal(seq_advance(w.g->seq, NS_PER_S, NULL, NULL, &e), RC_OK);
    free_world(&w);
}

/* A wall clock that somebody sets, beside a monotonic one that goes on. */
struct jumpy {
    const struct clock *below;
    _Atomic int64_t add_ns;
};

static int64_t jumpy_real(void *ctx)
{
    struct jumpy *j = ctx;

    return clock_real_ns(j->below) + atomic_load(&j->add_ns);
}

static int64_t jumpy_mono(void *ctx)
{
    struct jumpy *j = ctx;

    return clock_mono_ns(j->below);
}

static void a_wall_clock_that_jumps_neither_bills_nor_reorders(void **state)
{
    (void)state;
    static const char *const disks[] = {"/disk1", "/disk2"};
    struct engine_cfg cfg = {
        .disks = {.data_dir = "/data", .paths = disks, .n_paths = 2, .copies = 2},
        .no_background = true,
        .memory_databases = true,
    };
    struct world w = {NULL, NULL};
    struct err e;
    enum cat_why why;

    assert_int_equal(os_sim_new(9, &w.sim), RC_OK);
    struct os os = *os_sim_os(w.sim);
    struct jumpy j = {os.clock, 0};
    struct clock clock = {jumpy_real, jumpy_mono, &j};
    os.clock = &clock;
    assert_int_equal(engine_open(&os, &cfg, &w.g, &e), RC_OK);
    struct cat_op op = {.kind = CAT_BUCKET_CREATE, .account = ACCOUNT_DEFAULT, .bucket = VIEW("bucket"), .requests = 1};
    struct seq_req r = {.op = &op};
    assert_int_equal(seq_call(w.g->seq, &r), RC_OK);
    int64_t before = seq_now(w.g->seq), last = 0;
    const int64_t jumps[] = {10LL * 365 * 24 * 3600 * NS_PER_S, -24LL * 3600 * NS_PER_S, 0, -5 * NS_PER_S};
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        atomic_store(&j.add_ns, jumps[i]);
        assert_int_equal(put(w.g, "k", "x", "", &why), RC_OK);
        int64_t now = seq_now(w.g->seq);
        assert_true(now >= before && now - before < NS_PER_S);
        assert_true(journal_last_time(w.g->journal) > last);
        last = journal_last_time(w.g->journal);
    }
    free_world(&w);
}

/* ---- quotas ---- */

static void set_quota(struct engine *g, const char *bucket, uint64_t bytes, uint64_t objects)
{
    const uint64_t limit[QUOTA_LIMITS] = {bytes, objects, QUOTA_NONE, QUOTA_NONE};
    struct registry *r = meter_registry(g->meter);
    assert_int_equal(registry_set_quota(r, ACCOUNT_DEFAULT, view_cstr(bucket), limit), RC_OK);
}

static void sum_up(void *ctx, const struct meter_stored *s)
{
    struct meter_stored *sum = ctx;
    sum->bytes += s->bytes;
    sum->objects += s->objects;
}

/* As the meter has it: another reader of the same records. */
static struct meter_stored stored_now(struct engine *g)
{
    struct meter_stored sum = {0};
    struct err e = {""};
    assert_int_equal(seq_settle(g->seq, &e), RC_OK);
    assert_int_equal(meter_each_stored(g->meter, sum_up, &sum), RC_OK);
    return sum;
}

#define QUOTA_BYTES_SET 1000u
#define BODY_MAX 13u

struct filler {
    struct engine *g;
    unsigned id;
    uint64_t bytes, refused;
};

static void *fill(void *ctx)
{
    static const char body[] = "123456789abcd";
    struct filler *f = ctx;
    char key[32];
    enum cat_why why;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = 1 + (f->id * 7 + i * 5) % BODY_MAX;
        snprintf(key, sizeof key, "%u-%u", f->id, i);
        if (put(f->g, key, body + BODY_MAX - n, "", &why) == RC_OK)
            f->bytes += n;
        else if (why == CAT_QUOTA)
            f->refused++;
        else
            HF_BUG("refused for another reason");
    }
    return NULL;
}

static void no_number_of_writers_passes_a_quota_by_one_byte(void **state)
{
    (void)state;
    struct world w;
    pthread_t t[THREADS];
    struct filler f[THREADS];
    uint64_t bytes = 0, refused = 0;
    enum cat_why why;

    make_world(&w, false);
    set_quota(w.g, "", QUOTA_BYTES_SET, QUOTA_NONE);
    for (unsigned i = 0; i < THREADS; i++) {
        f[i] = (struct filler){.g = w.g, .id = i};
        assert_int_equal(os_thread(&t[i], "filler", fill, &f[i]), RC_OK);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        bytes += f[i].bytes;
        refused += f[i].refused;
    }
    assert_true(refused > 0);
    assert_int_equal(stored_now(w.g).bytes, bytes);
    assert_true(bytes <= QUOTA_BYTES_SET);
    for (uint64_t left = QUOTA_BYTES_SET - bytes; left > 0; left--) {
        char key[16];
        snprintf(key, sizeof key, "byte%u", (unsigned)left);
        assert_int_equal(put(w.g, key, "x", "", &why), RC_OK); /* full to the last byte */
    }
    assert_int_equal(put(w.g, "more", "x", "", &why), RC_DENIED);
    assert_int_equal(why, CAT_QUOTA);
    assert_int_equal(put(w.g, "byte1", "", "", &why), RC_OK); /* an overwrite that frees */
    free_world(&w);
}

static void a_restart_counts_from_what_is_stored(void **state)
{
    (void)state;
    struct world w;
    enum cat_why why;

    make_world(&w, false);
    assert_int_equal(put(w.g, "a", "12345", "", &why), RC_OK);
    assert_int_equal(put(w.g, "b", "12345", "", &why), RC_OK);
    engine_close(w.g);
    os_sim_power_cut(w.sim, OS_SIM_LOSE_ALL);
    assert_int_equal(open_world(&w, false), RC_OK);
    set_quota(w.g, "bucket", 12, 3);
    assert_int_equal(put(w.g, "c", "123", "", &why), RC_DENIED);
    assert_int_equal(put(w.g, "c", "12", "", &why), RC_OK);
    assert_int_equal(put(w.g, "d", "", "", &why), RC_DENIED); /* a fourth object */
    assert_int_equal(put(w.g, "b", "1", "", &why), RC_OK);
    assert_int_equal(put(w.g, "a", "123456789", "", &why), RC_OK);
    assert_int_equal(stored_now(w.g).bytes, 12);
    free_world(&w);
}

static enum rc run(struct engine *g, struct cat_op *op)
{
    struct seq_req r = {.op = op};

    op->account = ACCOUNT_DEFAULT;
    op->bucket = VIEW("bucket");
    return seq_call(g->seq, &r);
}

static void a_bucket_made_again_begins_with_nothing(void **state)
{
    (void)state;
    struct world w;
    enum cat_why why;

    make_world(&w, false);
    set_quota(w.g, "bucket", 5, QUOTA_NONE);
    assert_int_equal(put(w.g, "a", "12345", "", &why), RC_OK);
    struct cat_op op = {.kind = CAT_DELETE, .key = VIEW("a"), .version = {.any_latest = true}};
    assert_int_equal(run(w.g, &op), RC_OK);
    op = (struct cat_op){.kind = CAT_BUCKET_DELETE};
    assert_int_equal(run(w.g, &op), RC_OK);
    op = (struct cat_op){.kind = CAT_BUCKET_CREATE};
    assert_int_equal(run(w.g, &op), RC_OK);
    assert_int_equal(put(w.g, "a", "12345", "", &why), RC_OK);
    assert_int_equal(put(w.g, "b", "1", "", &why), RC_DENIED);
    free_world(&w);
}

static void a_version_that_is_kept_goes_on_counting(void **state)
{
    (void)state;
    struct world w;
    enum cat_why why;
    struct arena a = ARENA(1u << 20);
    struct cat_bucket b;
    struct cat_version v;

    make_world(&w, false);
    set_quota(w.g, "", 10, QUOTA_NONE);
    struct cat_op op = {.kind = CAT_BUCKET_VERSIONING, .versioning = VERSIONING_ON};
    assert_int_equal(run(w.g, &op), RC_OK);
    assert_int_equal(put(w.g, "a", "12345", "", &why), RC_OK);
    assert_int_equal(cat_get_bucket(w.g->cat, VIEW("bucket"), &a, &b), RC_OK);
    assert_int_equal(cat_get_object(w.g->cat, b.id, VIEW("a"), (struct cat_want){.any_latest = true}, &a, &v), RC_OK);
    assert_int_equal(put(w.g, "a", "12345", "", &why), RC_OK);
    assert_int_equal(put(w.g, "a", "1", "", &why), RC_DENIED);
    op = (struct cat_op){.kind = CAT_DELETE, .key = VIEW("a"), .version = {.any_latest = true}};
    assert_int_equal(run(w.g, &op), RC_OK); /* a marker frees nothing */
    assert_int_equal(put(w.g, "a", "1", "", &why), RC_DENIED);
    op.version = (struct cat_want){.seq = v.seq};
    assert_int_equal(run(w.g, &op), RC_OK);
    assert_int_equal(put(w.g, "a", "12345", "", &why), RC_OK);
    arena_free(&a);
    free_world(&w);
}

static void what_was_staged_and_never_durable_does_not_count(void **state)
{
    (void)state;
    struct stored *t;
    struct stored_entry *x, *same;
    struct quota_change c = {0};

    assert_int_equal(stored_new(&t), RC_OK);
    assert_int_equal(stored_seed(t, &(struct meter_stored){.account = 3, .bucket = 9, .bytes = 100, .objects = 2}),
                     RC_OK);
    assert_int_equal(stored_seed(t, &(struct meter_stored){.account = 3, .bucket = 8, .bytes = 10, .objects = 1}),
                     RC_OK);
    assert_int_equal(stored_find(t, 3, 9, &x), RC_OK);
    stored_stage(t, x, 50, 1, false);
    stored_stage(t, x, 5, 1, false);
    stored_with(x, 1, 1, &c);
    assert_true(c.bucket_bytes == 156 && c.bucket_objects == 5 && c.account_bytes == 166 && c.account_objects == 6);
    stored_peek(t, 3, 9, 0, 0, &c); /* others see what is durable */
    assert_true(c.bucket_bytes == 100 && c.account_bytes == 110);
    stored_drop(t);
    stored_with(x, 0, 0, &c);
    assert_true(c.bucket_bytes == 100 && c.account_bytes == 110 && c.account_objects == 3);
    stored_stage(t, x, -100, -2, true);
    stored_drop(t); /* the bucket is still there */
    assert_int_equal(stored_find(t, 3, 9, &same), RC_OK);
    assert_ptr_equal(x, same);
    stored_stage(t, x, -100, -2, true);
    stored_commit(t);
    stored_peek(t, 3, 9, 0, 0, &c);
    assert_true(c.bucket_bytes == 0 && c.account_bytes == 10 && c.account_objects == 1);
    for (uint64_t bucket = 100; bucket < 1000; bucket++) {
        assert_int_equal(stored_find(t, 3, bucket, &x), RC_OK);
        stored_stage(t, x, (int64_t)bucket, 1, false);
    }
    stored_commit(t);
    stored_peek(t, 3, 567, 0, 0, &c);
    assert_true(c.bucket_bytes == 567 && c.account_objects == 901);
    stored_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_many_writers_with_if_none_match_exactly_one_wins),
        cmocka_unit_test(no_answer_is_given_that_is_not_durable),
        cmocka_unit_test(versions_are_ordered_though_the_clock_stands_still),
        cmocka_unit_test(an_advanced_clock_emits_every_tick_and_stands_where_it_was_told),
        cmocka_unit_test(a_real_clock_makes_up_the_ticks_it_missed),
        cmocka_unit_test(a_wall_clock_that_jumps_neither_bills_nor_reorders),
        cmocka_unit_test(no_number_of_writers_passes_a_quota_by_one_byte),
        cmocka_unit_test(a_restart_counts_from_what_is_stored),
        cmocka_unit_test(a_bucket_made_again_begins_with_nothing),
        cmocka_unit_test(a_version_that_is_kept_goes_on_counting),
        cmocka_unit_test(what_was_staged_and_never_durable_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
