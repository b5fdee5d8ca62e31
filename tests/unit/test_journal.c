/* Holdfast: the journal's promises, one test each, on a simulated file system. */
#include "journal/journal_priv.h"
#include "journal_help.h"

static void what_was_committed_is_there_after_a_restart_with_the_same_root(void **state)
{
    struct rig r;
    uint8_t before[HASH_SIZE], after[HASH_SIZE];
    uint64_t n, m;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    for (unsigned i = 0; i < 60; i += 3)
        rig_must_commit(&r, i, i + 3);
    assert_int_equal(rig_read_all(&r), 60);
    journal_head(r.j, &n, before);
    rig_close(&r);
    rig_must_open(&r);
    assert_int_equal(rig_read_all(&r), 60);
    journal_head(r.j, &m, after);
    assert_int_equal(n, m);
    assert_int_equal(n, journal_durable(r.j));
    assert_memory_equal(before, after, HASH_SIZE);
    assert_int_equal(journal_epoch(r.j), 1);
    rig_scrub_clean(&r);
    rig_free(&r);
}

static void an_abandoned_batch_leaves_no_trace(void **state)
{
    struct rig r;
    struct journal_rec rec;
    uint64_t durable;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 2);
    durable = journal_durable(r.j);
    assert_int_equal(journal_begin(r.j, false, &r.err), RC_OK);
    assert_int_equal(journal_stage(r.j, REC_OBJECT, T0, VIEW("x"), VIEW("body"), &rec, &r.err), RC_OK);
    assert_int_equal(rec.seq, durable + 1);
    journal_abandon(r.j);
    assert_int_equal(journal_durable(r.j), durable);
    rig_must_commit(&r, 2, 4);
    assert_int_equal(rig_read_all(&r), 4);
    rig_free(&r);
}

static void reader_stops_at_durable(void **state)
{
    struct rig r;
    struct journal_reader *reader;
    struct journal_rec rec;
    uint64_t durable;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 1);
    durable = journal_durable(r.j);
    assert_int_equal(journal_reader_open(r.j, durable + 1, &reader, &r.err), RC_OK);
    assert_int_equal(journal_read(reader, &rec, &r.err), RC_END);
    assert_int_equal(journal_begin(r.j, false, &r.err), RC_OK);
    assert_int_equal(journal_stage(r.j, REC_OBJECT, T0 + 9, VIEW("x"), view_of(NULL, 0), &rec, &r.err), RC_OK);
    assert_int_equal(journal_read(reader, &rec, &r.err), RC_END);
    assert_int_equal(journal_wait(r.j, durable + 1, 0), RC_END);
    assert_int_equal(journal_commit(r.j, &r.err), RC_OK);
    assert_int_equal(journal_wait(r.j, durable + 1, 0), RC_OK);
    assert_int_equal(journal_read(reader, &rec, &r.err), RC_OK);
    assert_int_equal(rec.seq, durable + 1);
    assert_true(view_eqs(rec.payload, "x"));
    assert_int_equal(journal_read(reader, &rec, &r.err), RC_END);
    journal_reader_close(reader);
    assert_int_equal(journal_reader_open(r.j, durable + 5, &reader, &r.err), RC_INVALID);
    rig_free(&r);
}

static void a_reader_opens_at_any_record_and_follows_over_segments(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    for (unsigned i = 0; i < 60; i += 2)
        rig_must_commit(&r, i, i + 2);
    for (uint64_t from = 1; from <= journal_durable(r.j); from++) {
        struct journal_reader *reader;
        struct journal_rec rec;

        assert_int_equal(journal_reader_open(r.j, from, &reader, &r.err), RC_OK);
        for (uint64_t seq = from; seq <= journal_durable(r.j); seq++) {
            assert_int_equal(journal_read(reader, &rec, &r.err), RC_OK);
            assert_int_equal(rec.seq, seq);
        }
        assert_int_equal(journal_read(reader, &rec, &r.err), RC_END);
        journal_reader_close(reader);
    }
    assert_true(journal_is_sealed(r.j, 1));
    rig_free(&r);
}

static void record_times_never_go_back(void **state)
{
    struct rig r;
    struct journal_rec a, b;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    assert_int_equal(journal_begin(r.j, false, &r.err), RC_OK);
    assert_int_equal(journal_stage(r.j, REC_TICK, INT64_MAX / 2, VIEW(""), view_of(NULL, 0), &a, &r.err), RC_OK);
    assert_int_equal(journal_stage(r.j, REC_TICK, 5, VIEW(""), view_of(NULL, 0), &b, &r.err), RC_OK);
    assert_int_equal(a.time_ns, INT64_MAX / 2);
    assert_int_equal(b.time_ns, a.time_ns + 1);
    assert_int_equal(journal_commit(r.j, &r.err), RC_OK);
    assert_int_equal(journal_last_time(r.j), b.time_ns);
    rig_close(&r);
    rig_must_open(&r);
    assert_int_equal(journal_last_time(r.j), b.time_ns);
    rig_free(&r);
}

static void the_largest_record_fits_whatever_the_segments_size(void **state)
{
    struct rig r;
    uint8_t *payload = calloc(1, JOURNAL_PAYLOAD_MAX), *body = calloc(1, JOURNAL_ATTACH_MAX),
            *got = calloc(1, JOURNAL_ATTACH_MAX);
    struct journal_rec rec;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 1);
    memset(payload, 'p', JOURNAL_PAYLOAD_MAX);
    memset(body, 'b', JOURNAL_ATTACH_MAX);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(journal_begin(r.j, false, &r.err), RC_OK);
        assert_int_equal(journal_stage(r.j, REC_OBJECT, 0, view_of(payload, JOURNAL_PAYLOAD_MAX),
                                       view_of(body, JOURNAL_ATTACH_MAX), &rec, &r.err),
                         RC_OK);
        assert_int_equal(journal_commit(r.j, &r.err), RC_OK);
    }
    assert_int_equal(journal_read_attach(r.j, rec.attach, rec.seq, got, &r.err), RC_OK);
    assert_memory_equal(got, body, JOURNAL_ATTACH_MAX);
    assert_int_equal(journal_begin(r.j, false, &r.err), RC_OK);
    assert_int_equal(
        journal_stage(r.j, REC_OBJECT, 0, view_of(payload, JOURNAL_PAYLOAD_MAX + 1ul), view_of(NULL, 0), &rec, &r.err),
        RC_INVALID);
    journal_abandon(r.j);
    rig_close(&r);
    rig_must_open(&r);
    rig_scrub_clean(&r);
    rig_free(&r);
    free(payload);
    free(body);
    free(got);
}

static void a_batch_that_is_full_says_so_and_keeps_what_it_has(void **state)
{
    struct rig r;
    struct journal_rec rec;
    static uint8_t body[JOURNAL_ATTACH_MAX];
    unsigned n = 0;
    enum rc rc;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    assert_int_equal(journal_begin(r.j, false, &r.err), RC_OK);
    while ((rc = journal_stage(r.j, REC_OBJECT, 0, VIEW("p"), view_of(body, 5000), &rec, &r.err)) == RC_OK)
        n++;
    assert_int_equal(rc, RC_LIMIT);
    assert_in_range(n, 3, 12);
    assert_int_equal(journal_commit(r.j, &r.err), RC_OK);
    assert_int_equal(journal_durable(r.j), n + 1);
    assert_int_equal(journal_begin(r.j, false, &r.err), RC_OK);
    assert_int_equal(journal_stage(r.j, REC_OBJECT, 0, VIEW("p"), view_of(body, 5000), &rec, &r.err), RC_OK);
    assert_int_equal(journal_commit(r.j, &r.err), RC_OK);
    rig_free(&r);
}

/* ---- full disks ---- */

static enum rc tick(struct rig *r, bool urgent)
{
    struct journal_rec rec;
    enum rc rc = journal_begin(r->j, urgent, &r->err);

    if (rc != RC_OK)
        return rc;
    assert_int_equal(journal_stage(r->j, REC_TICK, 0, VIEW(""), view_of(NULL, 0), &rec, &r->err), RC_OK);
    return journal_commit(r->j, &r->err);
}

static void a_full_disk_refuses_writes_keeps_what_is_urgent_and_recovers(void **state)
{
    struct rig r;
    unsigned urgent = 0;
    enum rc rc;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 3);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_FULL);
    /* The spare that is there is used up first. */
    while ((rc = tick(&r, false)) == RC_OK)
        continue;
    assert_int_equal(rc, RC_FULL);
    assert_true(journal_full(r.j));
    while ((rc = tick(&r, true)) == RC_OK)
        urgent++;
    assert_int_equal(rc, RC_FULL);
    assert_true(urgent >= 4);
    assert_int_equal(r.set->disk[0].state, DISK_OK);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_OK);
    assert_int_equal(tick(&r, false), RC_OK);
    assert_false(journal_full(r.j));
    rig_close(&r);
    rig_must_open(&r);
    rig_scrub_clean(&r);
    rig_free(&r);
}

/* ---- members that fail, leave, return ---- */

static void a_failing_disk_is_left_out_and_the_commit_still_succeeds(void **state)
{
    const enum os_sim_disk how[] = {OS_SIM_DISK_DEAD, OS_SIM_DISK_READ_ONLY, OS_SIM_DISK_SYNC_FAILS};

    (void)state;
    for (unsigned h = 0; h < sizeof(how) / sizeof(how[0]); h++)
        for (unsigned bad = 0; bad < 2; bad++) {
            struct rig r;

            rig_init(&r, 2, 1);
            r.cfg.single_thread = bad == 0; /* with and without threads */
            rig_must_open(&r);
            rig_must_commit(&r, 0, 3);
            os_sim_disk_set(r.sim, rig_disks[bad], how[h]);
            rig_must_commit(&r, 3, 6);
            assert_int_equal(journal_epoch(r.j), 2);
            assert_int_equal(r.set->disk[bad].state, DISK_QUARANTINED);
            assert_int_equal(r.set->disk[1 - bad].state, DISK_OK);
            rig_must_commit(&r, 6, 9);
            assert_int_equal(rig_read_all(&r), 9);
            os_sim_disk_set(r.sim, rig_disks[bad], OS_SIM_DISK_OK);
            rig_close(&r);
            rig_must_open(&r); /* restarted healthy: it comes back and is filled */
            assert_int_equal(r.report.stale_members, 1);
            assert_int_equal(r.set->disk[bad].state, DISK_REBUILDING);
            rig_must_commit(&r, 9, 12);
            rig_heal(&r);
            assert_true(r.set->disk[bad].journal_whole);
            assert_int_equal(rig_read_all(&r), 12);
            rig_scrub_clean(&r);
            rig_close(&r);
            os_sim_disk_set(r.sim, rig_disks[1 - bad], OS_SIM_DISK_ABSENT);
            rig_must_open(&r); /* and now holds everything by itself */
            assert_int_equal(rig_read_all(&r), 12);
            rig_free(&r);
        }
}

static void when_the_last_disk_fails_nothing_is_acknowledged_any_more(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 2; n++) {
        struct rig r;

        rig_init(&r, n, 1);
        rig_must_open(&r);
        rig_must_commit(&r, 0, 3);
        os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_SYNC_FAILS);
        os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_SYNC_FAILS);
        assert_int_equal(rig_commit(&r, 3, 6), RC_IO);
        assert_int_equal(rig_commit(&r, 3, 6), RC_UNAVAILABLE);
        assert_int_equal(journal_begin(r.j, true, &r.err), RC_UNAVAILABLE);
        assert_int_equal(rig_read_all(&r), 3);
        rig_free(&r);
    }
}

static void either_half_alone_then_the_other_makes_no_second_history(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        unsigned second = 1 - first;
        struct rig r;

        rig_init(&r, 2, 1);
        rig_must_open(&r);
        for (unsigned i = 0; i < 30; i += 3)
            rig_must_commit(&r, i, i + 3);
        rig_close(&r);
        os_sim_disk_set(r.sim, rig_disks[second], OS_SIM_DISK_ABSENT);
        rig_must_open(&r);
        assert_int_equal(r.set->disk[second].state, DISK_MISSING);
        for (unsigned i = 30; i < 60; i += 3)
            rig_must_commit(&r, i, i + 3);
        rig_close(&r);
        os_sim_disk_set(r.sim, rig_disks[second], OS_SIM_DISK_OK);
        os_sim_disk_set(r.sim, rig_disks[first], OS_SIM_DISK_ABSENT);
        assert_int_equal(rig_open(&r), RC_UNAVAILABLE);
        assert_non_null(strstr(r.err.text, rig_disks[first]));
        os_sim_disk_set(r.sim, rig_disks[first], OS_SIM_DISK_OK);
        rig_must_open(&r);
        assert_int_equal(r.report.stale_members, 1);
        assert_int_equal(rig_read_all(&r), 60);
        rig_heal(&r);
        assert_true(r.set->disk[second].journal_whole);
        rig_scrub_clean(&r);
        rig_free(&r);
    }
}

static void an_operator_may_give_up_the_newer_half_and_it_does_not_come_back(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 3);
    rig_close(&r);
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_ABSENT);
    rig_must_open(&r);
    for (unsigned i = 3; i < 60; i += 3)
        rig_must_commit(&r, i, i + 3); /* on /a only, several segments: given up below */
    rig_close(&r);
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_OK);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_ABSENT);
    r.confirm = true;
    rig_must_open(&r);
    r.confirm = false;
    assert_int_equal(rig_read_all(&r), 3);
    rig_must_commit(&r, 3, 9);
    rig_close(&r);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_OK);
    rig_must_open(&r);
    assert_int_equal(rig_read_all(&r), 9);
    rig_heal(&r);
    rig_scrub_clean(&r);
    rig_close(&r);
    rig_must_open(&r); /* nor by the next start */
    assert_int_equal(rig_read_all(&r), 9);
    rig_free(&r);
}

static void without_the_witness_all_disks_must_be_there(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 3);
    rig_close(&r);
    assert_int_equal(os_unlink(r.os, "/data/witness", NULL), RC_OK);
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_ABSENT);
    assert_int_equal(rig_open(&r), RC_UNAVAILABLE);
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_OK);
    rig_must_open(&r);
    assert_int_equal(rig_read_all(&r), 3);
    assert_int_equal(r.report.stale_members, 0);
    rig_close(&r);
    rig_must_open(&r); /* a new one was written */
    assert_true(r.set->witness_found);
    rig_free(&r);
}

static void without_the_witness_the_disks_themselves_know_who_is_stale(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 3);
    rig_close(&r);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_ABSENT);
    rig_must_open(&r);
    rig_must_commit(&r, 3, 6);
    rig_close(&r);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_OK);
    assert_int_equal(os_unlink(r.os, "/data/witness", NULL), RC_OK);
    rig_must_open(&r);
    assert_int_equal(r.report.stale_members, 1);
    assert_int_equal(rig_read_all(&r), 6);
    rig_free(&r);
}

static void a_replaced_disk_is_filled_and_may_then_stand_alone(void **state)
{
    struct rig r;
    unsigned slot;

    (void)state;
    rig_init(&r, 2, 1);
    r.cfg.single_thread = false;
    rig_must_open(&r);
    for (unsigned i = 0; i < 60; i += 3)
        rig_must_commit(&r, i, i + 3);
    assert_int_equal(diskset_replace(r.set, "/a", "/c", &slot, &r.err), RC_OK);
    assert_int_equal(slot, 0);
    assert_int_equal(journal_join(r.j, slot, &r.err), RC_OK);
    assert_int_equal(journal_join(r.j, slot, &r.err), RC_OK); /* again changes nothing */
    assert_int_equal(r.set->disk[0].state, DISK_REBUILDING);
    for (unsigned i = 60; i < 72; i += 3)
        rig_must_commit(&r, i, i + 3);
    assert_int_equal(rig_read_all(&r), 72);
    rig_heal(&r);
    assert_true(r.set->disk[0].journal_whole);
    /* Its volumes are not filled yet: neither the state nor the witness may say that it is ok. */
    assert_int_equal(r.set->disk[0].state, DISK_REBUILDING);
    rig_scrub_clean(&r);
    rig_close(&r);
    r.n_disks = 0; /* as recorded */
    rig_must_open(&r);
    assert_int_equal(r.set->disk[0].state, DISK_REBUILDING);
    assert_int_equal(r.report.stale_members, 0);
    rig_close(&r);
    os_sim_disk_set(r.sim, "/a", OS_SIM_DISK_ABSENT);
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_ABSENT);
    r.n_disks = 0;
    rig_must_open(&r);
    assert_int_equal(rig_read_all(&r), 72);
    rig_free(&r);
}

static void a_half_filled_disk_never_stands_alone(void **state)
{
    struct rig r;
    unsigned slot;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    for (unsigned i = 0; i < 60; i += 3)
        rig_must_commit(&r, i, i + 3);
    assert_int_equal(diskset_replace(r.set, "/a", "/c", &slot, &r.err), RC_OK);
    assert_int_equal(journal_join(r.j, slot, &r.err), RC_OK);
    assert_int_equal(journal_heal_step(r.j, &r.err), RC_OK);
    rig_close(&r);
    r.n_disks = 0;
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_ABSENT);
    assert_int_equal(rig_open(&r), RC_UNAVAILABLE);
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_OK);
    rig_must_open(&r);
    rig_heal(&r);
    assert_int_equal(rig_read_all(&r), 60);
    rig_free(&r);
}

static void the_last_whole_disk_cannot_be_expelled(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 3, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 3);
    assert_int_equal(journal_expel(r.j, 2, &r.err), RC_OK);
    assert_int_equal(journal_expel(r.j, 2, &r.err), RC_OK);
    assert_int_equal(journal_expel(r.j, 0, &r.err), RC_OK);
    assert_int_equal(journal_expel(r.j, 1, &r.err), RC_UNAVAILABLE);
    rig_must_commit(&r, 3, 6);
    assert_int_equal(rig_read_all(&r), 6);
    rig_free(&r);
}

/* ---- damage ---- */

static void flip(struct rig *r, const char *path, uint64_t off)
{
    assert_int_equal(os_sim_flip(r->sim, path, off, 3), RC_OK);
}

static void damage_on_one_disk_is_mended_by_whoever_meets_it(void **state)
{
    struct rig r;
    struct scrub_count c = {0};

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    for (unsigned i = 0; i < 30; i += 3)
        rig_must_commit(&r, i, i + 3);
    for (uint64_t off = 0; off < 20000; off += 700)
        flip(&r, "/a/journal/seg-0000000000000001", off);
    assert_int_equal(rig_read_all(&r), 30);
    assert_int_equal(journal_scrub(r.j, NULL, &c, &r.err), RC_OK);
    assert_true(c.corrupt > 0);
    assert_int_equal(c.repaired, c.corrupt);
    assert_int_equal(c.unrepairable, 0);
    rig_scrub_clean(&r);
    rig_close(&r);
    os_sim_disk_set(r.sim, "/b", OS_SIM_DISK_ABSENT);
    rig_must_open(&r);
    assert_int_equal(rig_read_all(&r), 30);
    rig_free(&r);
}

static void damage_in_the_middle_on_every_disk_refuses_the_start_and_names_the_sequences(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 1);
    rig_must_commit(&r, 1, 2);
    rig_must_commit(&r, 2, 3);
    rig_close(&r);
    /* Header, epoch's batch, then record 0 (without a body: one block) at 8192: sequence 2. */
    flip(&r, "/a/journal/seg-0000000000000001", 8192 + 60);
    flip(&r, "/b/journal/seg-0000000000000001", 8192 + 60);
    assert_int_equal(rig_open(&r), RC_CORRUPT);
    assert_non_null(strstr(r.err.text, "sequences 2 to 2"));
    flip(&r, "/b/journal/seg-0000000000000001", 8192 + 60);
    rig_must_open(&r);
    assert_int_equal(rig_read_all(&r), 3);
    rig_free(&r);
}

static void damage_at_the_end_after_a_clean_stop_is_not_taken_for_a_torn_tail(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 1, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 1);
    rig_close(&r);
    flip(&r, "/a/journal/seg-0000000000000001", 8192 + 60);
    assert_int_equal(rig_open(&r), RC_CORRUPT);
    os_sim_free(r.sim);
}

static void behind_the_end_there_are_zeros_after_a_start(void **state)
{
    struct rig r;
    struct os_file *f;
    uint8_t byte = 1;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 1);
    rig_close(&r);
    flip(&r, "/a/journal/seg-0000000000000001", SEGMENT - 100);
    rig_must_open(&r);
    assert_int_equal(os_open(r.os, "/a/journal/seg-0000000000000001", OS_READ, &f, &r.err), RC_OK);
    assert_int_equal(os_pread(r.os, f, &byte, 1, SEGMENT - 100, &r.err), RC_OK);
    assert_int_equal(byte, 0);
    os_close(r.os, f);
    rig_free(&r);
}

static void a_body_damaged_on_every_disk_is_an_honest_error_and_the_rest_is_served(void **state)
{
    struct rig r;
    struct journal_reader *reader;
    struct journal_rec rec;
    uint8_t got[BODY_MAX];
    struct scrub_count c = {0};
    unsigned bad = 0, good = 0;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 3);
    rig_close(&r);
    /* The last batch, record 1's body: 8192 + 128 + 64. */
    flip(&r, "/a/journal/seg-0000000000000001", 8192 + 200);
    flip(&r, "/b/journal/seg-0000000000000001", 8192 + 201);
    rig_must_open(&r);
    assert_int_equal(journal_reader_open(r.j, 1, &reader, &r.err), RC_OK);
    while (journal_read(reader, &rec, &r.err) == RC_OK) {
        if (rec.attach.size == 0)
            continue;
        if (journal_read_attach(r.j, rec.attach, rec.seq, got, &r.err) == RC_OK)
            good++;
        else
            bad++;
    }
    journal_reader_close(reader);
    assert_int_equal(bad, 1);
    assert_int_equal(good, 1);
    assert_int_equal(journal_scrub(r.j, NULL, &c, &r.err), RC_OK);
    assert_int_equal(c.unrepairable, 1);
    rig_must_commit(&r, 3, 4);
    rig_free(&r);
}

static void a_segment_that_lost_its_seal_is_compared_whole_at_the_start(void **state)
{
    const char *path = "/a/journal/seg-0000000000000001";
    struct os_stat st;
    struct rig r;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    for (unsigned i = 0; i < 60; i += 3)
        rig_must_commit(&r, i, i + 3);
    rig_close(&r);
    assert_int_equal(os_stat(r.os, path, &st, &r.err), RC_OK);
    flip(&r, path, st.size_bytes - 4096 + 60);
    flip(&r, path, 9000);
    rig_must_open(&r);
    assert_int_equal(r.report.repaired_segments, 1);
    assert_int_equal(r.set->disk[0].state, DISK_OK);
    rig_scrub_clean(&r);
    rig_free(&r);
}

static void a_missing_segment_is_copied_back(void **state)
{
    struct rig r;
    struct scrub_count c = {0};

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    for (unsigned i = 0; i < 60; i += 3)
        rig_must_commit(&r, i, i + 3);
    assert_int_equal(os_unlink(r.os, "/a/journal/seg-0000000000000001", NULL), RC_OK);
    assert_int_equal(journal_scrub(r.j, NULL, &c, &r.err), RC_OK);
    assert_int_equal(c.corrupt, 1);
    assert_int_equal(c.repaired, 1);
    rig_close(&r);
    assert_int_equal(os_unlink(r.os, "/b/journal/seg-0000000000000001", NULL), RC_OK);
    rig_must_open(&r);
    assert_int_equal(r.set->disk[1].state, DISK_REBUILDING);
    assert_int_equal(rig_read_all(&r), 60);
    rig_heal(&r);
    assert_true(r.set->disk[1].journal_whole);
    rig_scrub_clean(&r);
    rig_free(&r);
}

static void each_disk_lacking_another_segment_still_makes_a_whole_journal(void **state)
{
    struct rig r;
    char second[64];
    struct journal_reader *reader;
    struct journal_rec rec = {0};

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    for (unsigned i = 0; i < 90; i += 3)
        rig_must_commit(&r, i, i + 3);
    assert_int_equal(journal_reader_open(r.j, 1, &reader, &r.err), RC_OK);
    while (rec.attach.segment <= 1)
        assert_int_equal(journal_read(reader, &rec, &r.err), RC_OK);
    journal_reader_close(reader);
    assert_true(journal_is_sealed(r.j, rec.attach.segment));
    rig_close(&r);
    snprintf(second, sizeof(second), "/b/journal/seg-%016llx", (unsigned long long)rec.attach.segment);
    assert_int_equal(os_unlink(r.os, "/a/journal/seg-0000000000000001", NULL), RC_OK);
    assert_int_equal(os_unlink(r.os, second, NULL), RC_OK);
    rig_must_open(&r);
    assert_int_equal(rig_read_all(&r), 90);
    rig_scrub_clean(&r);
    rig_free(&r);
}

/* ---- punching ---- */

static void punched_bodies_stay_gone_and_nothing_calls_them_damaged(void **state)
{
    struct rig r;
    unsigned slot;
    uint64_t used;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    for (unsigned i = 0; i < 60; i += 3)
        rig_must_commit(&r, i, i + 3);
    assert_int_equal(journal_punch(r.j, 12345, &r.err), RC_NOT_FOUND);
    used = r.set->disk[0].bytes_used;
    assert_int_equal(journal_punch(r.j, 1, &r.err), RC_OK);
    assert_true(r.set->disk[0].bytes_used < used);
    assert_int_equal(journal_punch(r.j, 1, &r.err), RC_OK);
    rig_scrub_clean(&r);
    rig_close(&r);
    assert_int_equal(os_unlink(r.os, "/b/journal/seg-0000000000000001.punched", NULL), RC_OK);
    rig_must_open(&r);
    rig_scrub_clean(&r);
    assert_int_equal(diskset_replace(r.set, "/a", "/c", &slot, &r.err), RC_OK);
    assert_int_equal(journal_join(r.j, slot, &r.err), RC_OK);
    rig_heal(&r);
    rig_scrub_clean(&r);
    assert_int_equal(journal_read_attach(r.j, (struct attach_loc){1, 8192 + 128, 10}, 3, &used, &r.err), RC_NOT_FOUND);
    rig_free(&r);
}

static void the_active_segment_is_not_punched(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, 2, 1);
    rig_must_open(&r);
    rig_must_commit(&r, 0, 3);
    assert_int_equal(journal_punch(r.j, 1, &r.err), RC_CONFLICT);
    rig_free(&r);
}

/* ---- with its threads ---- */

struct follower {
    struct rig *r;
    uint64_t until;
    bool ok;
};

static void *follow(void *ctx)
{
    struct follower *f = ctx;
    struct journal_reader *reader;
    struct journal_rec rec;
    uint8_t got[BODY_MAX];
    struct err e;

    if (journal_reader_open(f->r->j, 1, &reader, &e) != RC_OK)
        return NULL;
    for (uint64_t seq = 1; seq <= f->until; seq++) {
        if (journal_wait(f->r->j, seq, 30 * NS_PER_S) != RC_OK || journal_read(reader, &rec, &e) != RC_OK ||
            rec.seq != seq)
            goto out;
        if (rec.attach.size > 0 && journal_read_attach(f->r->j, rec.attach, seq, got, &e) != RC_OK)
            goto out;
    }
    f->ok = true;
out:
    journal_reader_close(reader);
    return NULL;
}

static void readers_scrub_and_appends_run_side_by_side(void **state)
{
    struct rig r;
    struct follower f[2] = {{.r = &r, .until = 151}, {.r = &r, .until = 151}};
    pthread_t t[2];
    struct scrub_count c = {0};

    (void)state;
    rig_init(&r, 3, 1);
    r.cfg.single_thread = false;
    rig_must_open(&r);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(os_thread(&t[i], "follow", follow, &f[i]), RC_OK);
    for (unsigned i = 0; i < 150; i += 3) {
        rig_must_commit(&r, i, i + 3);
        if (i % 30 == 0)
            assert_int_equal(journal_scrub(r.j, NULL, &c, &r.err), RC_OK);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        assert_true(f[i].ok);
    }
    assert_int_equal(c.corrupt, 0);
    assert_int_equal(rig_read_all(&r), 150);
    rig_free(&r);
}

static void *wait_for_ever(void *ctx)
{
    struct rig *r = ctx;

    return journal_wait(r->j, UINT64_MAX, 3600 * NS_PER_S) == RC_CANCELLED ? ctx : NULL;
}

static void closing_releases_those_who_wait(void **state)
{
    struct rig r;
    pthread_t t;
    void *answer;

    (void)state;
    rig_init(&r, 2, 1);
    r.cfg.single_thread = false;
    rig_must_open(&r);
    assert_int_equal(os_thread(&t, "wait", wait_for_ever, &r), RC_OK);
    for (bool waits = false; !waits;) {
        pthread_mutex_lock(&r.j->lock);
        waits = r.j->waiters > 0;
        pthread_mutex_unlock(&r.j->lock);
    }
    journal_close(r.j);
    pthread_join(t, &answer);
    assert_ptr_equal(answer, &r);
    diskset_free(r.set);
    os_sim_free(r.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_committed_is_there_after_a_restart_with_the_same_root),
        cmocka_unit_test(an_abandoned_batch_leaves_no_trace),
        cmocka_unit_test(reader_stops_at_durable),
        cmocka_unit_test(a_reader_opens_at_any_record_and_follows_over_segments),
        cmocka_unit_test(record_times_never_go_back),
        cmocka_unit_test(the_largest_record_fits_whatever_the_segments_size),
        cmocka_unit_test(a_batch_that_is_full_says_so_and_keeps_what_it_has),
        cmocka_unit_test(a_full_disk_refuses_writes_keeps_what_is_urgent_and_recovers),
        cmocka_unit_test(a_failing_disk_is_left_out_and_the_commit_still_succeeds),
        cmocka_unit_test(when_the_last_disk_fails_nothing_is_acknowledged_any_more),
        cmocka_unit_test(either_half_alone_then_the_other_makes_no_second_history),
        cmocka_unit_test(an_operator_may_give_up_the_newer_half_and_it_does_not_come_back),
        cmocka_unit_test(without_the_witness_all_disks_must_be_there),
        cmocka_unit_test(without_the_witness_the_disks_themselves_know_who_is_stale),
        cmocka_unit_test(a_replaced_disk_is_filled_and_may_then_stand_alone),
        cmocka_unit_test(a_half_filled_disk_never_stands_alone),
        cmocka_unit_test(the_last_whole_disk_cannot_be_expelled),
        cmocka_unit_test(damage_on_one_disk_is_mended_by_whoever_meets_it),
        cmocka_unit_test(damage_in_the_middle_on_every_disk_refuses_the_start_and_names_the_sequences),
        cmocka_unit_test(damage_at_the_end_after_a_clean_stop_is_not_taken_for_a_torn_tail),
        cmocka_unit_test(behind_the_end_there_are_zeros_after_a_start),
        cmocka_unit_test(a_body_damaged_on_every_disk_is_an_honest_error_and_the_rest_is_served),
        cmocka_unit_test(a_segment_that_lost_its_seal_is_compared_whole_at_the_start),
        cmocka_unit_test(a_missing_segment_is_copied_back),
        cmocka_unit_test(each_disk_lacking_another_segment_still_makes_a_whole_journal),
        cmocka_unit_test(punched_bodies_stay_gone_and_nothing_calls_them_damaged),
        cmocka_unit_test(the_active_segment_is_not_punched),
        cmocka_unit_test(readers_scrub_and_appends_run_side_by_side),
        cmocka_unit_test(closing_releases_those_who_wait),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
