/* Holdfast tests: a store on simulated disks, the bodies put into it, and the checks that go with them. */
#ifndef HF_TESTS_STORE_RIG_H
#define HF_TESTS_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "os/fault.h"
#include "os/sim.h"
#include "store/store.h"

#define BODIES_MAX 256
#define BODY_EXTENTS_MAX 8

struct body {
    uint64_t size, seed;
    struct extent x[BODY_EXTENTS_MAX];
    size_t n;
};

struct rig {
    struct os_sim *sim;
    struct os_fault *fault;
    struct os *os; /* what the store runs on */
    unsigned n_disks, copies;
    struct diskset *disks;
    struct store *s;
    struct store_cfg cfg;
    _Atomic unsigned failed; /* slots that disk_failed was called for */
    struct body body[BODIES_MAX];
    size_t n_bodies;
};

/* n disks /disk1 …; nothing is open yet. */
void rig_init(struct rig *g, unsigned n_disks, unsigned copies);
enum rc rig_open(struct rig *g); /* disk set and store */
void rig_close(struct rig *g);
void rig_done(struct rig *g);
void rig_reopen(struct rig *g);

void fill_pattern(uint8_t *p, size_t n, uint64_t seed, uint64_t from);
/* Puts without freeing; p may be NULL to free it as well. On RC_OK the body is remembered. */
enum rc rig_put(struct rig *g, uint64_t size, struct store_put **ret_put);
void rig_put_ok(struct rig *g, uint64_t size);
/* Reads [from, from + n) across extents; RC_OK only, and the right bytes: wrong bytes fail the test. */
enum rc body_read(struct store *s, const struct body *b, uint64_t from, size_t n);
void rig_read_all(struct rig *g);
/* All bodies' extents in order, as the catalog would. */
struct live {
    struct extent x[BODIES_MAX * BODY_EXTENTS_MAX];
    size_t n, at;
};
struct extent_source live_open(struct rig *g, struct live *l, uint64_t volume);
enum rc rig_scrub(struct rig *g, struct scrub_count *ret);
/* Scrubs and expects nothing damaged. */
void rig_scrub_clean(struct rig *g);
/* Runs store_heal_step to its end. */
enum rc rig_heal(struct rig *g, unsigned slot, uint64_t *ret_bytes);
/* Path of volume's copy in buf. */
char *copy_path(const char *disk, uint64_t volume, char *buf);
/* Are the copies on both disks the same bytes? */
void assert_same_file(struct os *os, const char *a, const char *b);

#endif
