/* Holdfast: what the journal's tests share: a store in a simulated file system, records with known contents, and the
 * check that they are all there. */
#ifndef HF_TESTS_JOURNAL_HELP_H
#define HF_TESTS_JOURNAL_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "journal/journal.h"
#include "os/fault.h"
#include "os/sim.h"

#define T0 1000000000LL
enum { BODY_MAX = 6000, SEGMENT = 48 << 10 };

/* A store on /data, /a and /b (and /c), opened. */
struct rig {
    struct os_sim *sim;
    struct os *os;
    unsigned n_disks;
    bool confirm;
    struct journal_cfg cfg;
    struct diskset *set;
    struct journal *j;
    struct journal_report report;
    struct err err;
    unsigned acked; /* records of the test that were acknowledged */
};

static const char *const rig_disks[] = {"/a", "/b", "/c"};

static inline void rig_init(struct rig *r, unsigned n_disks, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    assert_int_equal(os_sim_new(seed, &r->sim), RC_OK);
    r->os = os_sim_os(r->sim);
    r->n_disks = n_disks;
    r->cfg.single_thread = true;
    r->cfg.segment_min_bytes = SEGMENT;
    r->cfg.segment_max_bytes = SEGMENT;
}

static inline enum rc rig_open(struct rig *r)
{
    struct diskset_cfg cfg = {.data_dir = "/data",
                              .paths = rig_disks,
                              .n_paths = r->n_disks,
                              .copies = r->n_disks == 1 ? 1 : 2,
                              .confirm_epoch = r->confirm};
    enum rc rc;

    r->err.text[0] = '\0';
    rc = diskset_open(r->os, &cfg, &r->set, &r->err);
    if (rc != RC_OK)
        return rc;
    rc = journal_open(r->os, r->set, &r->cfg, &r->j, &r->report, &r->err);
    if (rc != RC_OK) {
        diskset_free(r->set);
        r->set = NULL;
    }
    return rc;
}

static inline void rig_must_open(struct rig *r)
{
    enum rc rc = rig_open(r);

    if (rc != RC_OK)
        print_error("open: %s: %s\n", rc_name(rc), r->err.text);
    assert_int_equal(rc, RC_OK);
}

static inline void rig_close(struct rig *r)
{
    journal_close(r->j);
    diskset_free(r->set);
    r->j = NULL;
    r->set = NULL;
}

static inline void rig_free(struct rig *r)
{
    rig_close(r);
    os_sim_free(r->sim);
}

/* The n-th record ever written by a test: payload and body follow from n. */
static inline size_t nth_body_size(unsigned n)
{
    return n % 3 == 0 ? 0 : (size_t)(n * 997u % BODY_MAX) + 1;
}
static inline void nth_body(unsigned n, uint8_t body[BODY_MAX])
{
    for (size_t i = 0; i < nth_body_size(n); i++)
        body[i] = (uint8_t)(n * 31 + i * 7 + (i >> 8));
}
static inline size_t nth_payload(unsigned n, char payload[64])
{
    return (size_t)snprintf(payload, 64, "record %u %.*s", n, (int)(n % 40),
                            "........................................");
}

/* Commits records [from, to), as one batch if the segment has room. r->acked counts what was acknowledged. */
static inline enum rc rig_commit(struct rig *r, unsigned from, unsigned to)
{
    uint8_t(*bodies)[BODY_MAX] = calloc(to - from + 1, BODY_MAX);
    enum rc rc = journal_begin(r->j, false, &r->err);

    assert_non_null(bodies);
    for (unsigned n = from; rc == RC_OK && n < to; n++) {
        struct journal_rec rec;
        char payload[64];
        struct view p = view_of(payload, nth_payload(n, payload)), b = view_of(bodies[n - from], nth_body_size(n));

        nth_body(n, bodies[n - from]);
        rc = journal_stage(r->j, REC_OBJECT, T0 + n, p, b, &rec, &r->err);
        if (rc == RC_LIMIT) {
            rc = journal_commit(r->j, &r->err);
            if (rc == RC_OK)
                r->acked = n;
            if (rc == RC_OK)
                rc = journal_begin(r->j, false, &r->err);
            if (rc == RC_OK)
                rc = journal_stage(r->j, REC_OBJECT, T0 + n, p, b, &rec, &r->err);
        }
    }
    if (rc == RC_OK)
        rc = journal_commit(r->j, &r->err);
    else
        journal_abandon(r->j);
    if (rc == RC_OK)
        r->acked = to;
    free(bodies);
    return rc;
}

static inline void rig_must_commit(struct rig *r, unsigned from, unsigned to)
{
    enum rc rc = rig_commit(r, from, to);

    if (rc != RC_OK)
        print_error("commit: %s: %s\n", rc_name(rc), r->err.text);
    assert_int_equal(rc, RC_OK);
}

/* Reads everything; the records of the test come in order, each with its payload and body. Returns how many. Times and
 * sequences only rise. */
static inline unsigned rig_read_all(struct rig *r)
{
    struct journal_reader *reader;
    struct journal_rec rec;
    uint8_t want[BODY_MAX], got[BODY_MAX];
    unsigned n = 0;
    uint64_t seq = 0;
    int64_t time_ns = INT64_MIN;
    enum rc rc;

    assert_int_equal(journal_reader_open(r->j, 1, &reader, &r->err), RC_OK);
    while ((rc = journal_read(reader, &rec, &r->err)) == RC_OK) {
        char payload[64];

        assert_int_equal(rec.seq, ++seq);
        assert_true(rec.time_ns > time_ns);
        time_ns = rec.time_ns;
        if (rec.type == REC_EPOCH)
            continue;
        assert_true(view_eq(rec.payload, view_of(payload, nth_payload(n, payload))));
        assert_int_equal(rec.attach.size, nth_body_size(n));
        if (rec.attach.size > 0) {
            nth_body(n, want);
            rc = journal_read_attach(r->j, rec.attach, rec.seq, got, &r->err);
            if (rc != RC_OK)
                print_error("body of record %u: %s: %s\n", n, rc_name(rc), r->err.text);
            assert_int_equal(rc, RC_OK);
            assert_memory_equal(want, got, rec.attach.size);
        }
        n++;
    }
    if (rc != RC_END)
        print_error("read: %s: %s\n", rc_name(rc), r->err.text);
    assert_int_equal(rc, RC_END);
    assert_int_equal(seq, journal_durable(r->j));
    journal_reader_close(reader);
    return n;
}

/* Heals until nothing is left to heal. */
static inline void rig_heal(struct rig *r)
{
    enum rc rc;

    do
        rc = journal_heal_step(r->j, &r->err);
    while (rc == RC_OK);
    if (rc != RC_END)
        print_error("heal: %s: %s\n", rc_name(rc), r->err.text);
    assert_int_equal(rc, RC_END);
}

/* A scrub that finds nothing to mend. */
static inline void rig_scrub_clean(struct rig *r)
{
    struct scrub_count c = {0};

    assert_int_equal(journal_scrub(r->j, NULL, &c, &r->err), RC_OK);
    assert_int_equal(c.corrupt, 0);
    assert_int_equal(c.unrepairable, 0);
    assert_true(c.blocks > 0);
}

/* The scripted runs of the crash and fault tests: so many records, and where a disk fails or changes. */
enum { SCRIPT = 36, BATCH = 3, CHANGE_AT = 12, CHANGE_SCRIPT = 24 };

/* Opens a new store and writes; stops where the crash is. */
static inline void script_plain(struct rig *r)
{
    if (rig_open(r) != RC_OK)
        return;
    for (unsigned n = 0; n < SCRIPT; n += BATCH)
        if (rig_commit(r, n, n + BATCH) != RC_OK)
            break;
    rig_close(r);
}

/* Takes everything that was acknowledged back, on all disks alike, and goes on. */
static inline void check_whole(struct rig *r, unsigned at_least, unsigned at_most)
{
    unsigned n;

    rig_must_open(r);
    n = rig_read_all(r);
    assert_in_range(n, at_least, at_most);
    rig_heal(r);
    rig_scrub_clean(r);
    rig_must_commit(r, n, n + BATCH);
    assert_int_equal(rig_read_all(r), n + BATCH);
    rig_close(r);
}

#endif
