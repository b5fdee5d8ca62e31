/* Holdfast: the parts of the file system in memory: pages with their durability, directories with theirs. */
#ifndef HF_OS_SIM_PRIV_H
#define HF_OS_SIM_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "os/sim.h"

#define SIM_SECTOR 512u /* what a disk writes whole or not at all */
#define SIM_PAGE 4096u
#define SIM_PAGE_SECTORS (SIM_PAGE / SIM_SECTOR)
#define SIM_FILE_MAX (1ull << 40) /* a larger offset is a bug of the caller's */
#define SIM_DEPTH_MAX 64          /* folders in folders */
#define SIM_NAME_MAX 255
#define SIM_DISKS_MAX 64

/* One page. Invariants: a NULL image is zeros. dirty == 0: now and disk are the same image. Otherwise they are apart,
 * and each sector of `dirty` may differ; for those in `between`, mid holds what the sector was at some moment between.
 */
struct sim_page {
    uint8_t *now;
    uint8_t *disk;
    uint8_t *mid;
    uint8_t dirty;
    uint8_t between;
    bool allocated;      /* charged to the disk: written, or reserved */
    bool allocated_disk; /* the same, durably */
};

struct sim_entry {
    char *name;
    struct sim_node *node;
};
/* Sorted by name. Each entry holds a reference on its node. */
struct sim_entries {
    struct sim_entry *v;
    size_t n, cap;
};

/* An unsynced change of one name, or of two by a rename. node NULL: the name went. Holds references. */
struct sim_op {
    struct sim_op *next;
    char *name[2]; /* [1] is NULL but for a rename */
    struct sim_node *node[2];
    bool dropped; /* used while a cut decides */
};

struct sim_disk {
    char top[SIM_NAME_MAX + 1];
    enum os_sim_disk state;
    uint64_t capacity_pages;
    uint64_t used_pages;
};

struct sim_node {
    unsigned refs; /* entries, operations and handles */
    bool is_dir;
    struct sim_disk *disk;
    struct sim_node *next_dead;
    /* of a file */
    uint64_t size;
    uint64_t size_disk;
    uint64_t floor; /* the lowest size it had since it was synced; UINT64_MAX when never below size_disk */
    struct sim_page *pages;
    uint64_t n_pages;
    uint64_t dirty_lo, dirty_hi; /* pages outside are as on disk */
    bool poisoned;               /* a datasync failed (M5) */
    /* of a directory */
    struct sim_entries now;
    struct sim_entries durable;
    struct sim_op *ops, *ops_last; /* durable, then these in order, is now */
};

/* The seed's next number. Every decision comes from here, so a run of one thread repeats itself. */
struct sim_random {
    uint64_t state;
};
uint64_t sim_random_next(struct sim_random *r);
/* 0 .. n-1 */
uint64_t sim_random_below(struct sim_random *r, uint64_t n);

void *sim_alloc(size_t n); /* zeroed; never NULL */

struct sim_node *sim_node_new(bool is_dir, struct sim_disk *disk);
/* Frees it, and what only it held, with the last reference. NULL is allowed. */
void sim_node_unref(struct sim_node *n);

/* sim_file.c */
size_t sim_file_read(const struct sim_node *n, uint64_t off, void *dst, size_t len);
/* RC_FULL before anything changed when the disk has no room for the pages that [off, off+len) lacks. */
enum rc sim_file_room(const struct sim_node *n, uint64_t off, uint64_t len);
void sim_file_write(struct sim_node *n, uint64_t off, const void *src, size_t len, struct sim_random *r);
void sim_file_reserve(struct sim_node *n, uint64_t size);
void sim_file_truncate(struct sim_node *n, uint64_t size, struct sim_random *r);
void sim_file_punch(struct sim_node *n, uint64_t off, uint64_t len, struct sim_random *r);
void sim_file_sync(struct sim_node *n);
bool sim_file_is_dirty(const struct sim_node *n);
void sim_file_cut(struct sim_node *n, enum os_sim_loss loss, struct sim_random *r);
void sim_file_flip(struct sim_node *n, uint64_t off, unsigned bit);
uint64_t sim_file_allocated(const struct sim_node *n);
void sim_file_free(struct sim_node *n);

/* sim_dir.c */
struct sim_node *sim_dir_find(const struct sim_node *dir, struct view name); /* NULL when absent */
/* Makes name mean node (NULL: nothing), unsynced. */
void sim_dir_set(struct sim_node *dir, struct view name, struct sim_node *node);
void sim_dir_rename(struct sim_node *dir, struct view from, struct view to);
void sim_dir_sync(struct sim_node *dir);
void sim_dir_cut(struct sim_node *dir, enum os_sim_loss loss, struct sim_random *r);
void sim_dir_free(struct sim_node *dir, struct sim_node **dead);
/* Every node below root, itself included with the path "", parents first. visit (when not NULL) sees a folder before
 * its entries are looked at, and may change them. *ret and the paths are freed by sim_walk_free. */
struct sim_found {
    char *path;
    struct sim_node *node;
};
typedef void sim_visit_fn(void *ctx, struct sim_node *node);
size_t sim_walk(struct sim_node *root, sim_visit_fn *visit, void *ctx, struct sim_found **ret);
void sim_walk_free(struct sim_found *found, size_t n);

/* sim_ops.c and sim.c: the file system as a whole. Everything under lock but the atomics. */
struct os_sim {
    struct os os;
    struct clock clock;
    _Atomic int64_t real_ns;
    _Atomic int64_t mono_ns;
    _Atomic uint64_t steps;
    pthread_mutex_t lock;
    struct sim_random random;
    struct sim_node *root;
    struct os_file *handles;
    uint64_t generation; /* of handles: a cut ends one */
    uint64_t crash_at;
    bool crashed;
    unsigned n_disks;
    struct sim_disk disk[SIM_DISKS_MAX]; /* [0] is "/" itself */
};
extern const struct os_ops sim_ops;
void sim_lock(struct os_sim *s);
void sim_unlock(struct os_sim *s);
/* The disk of a path, made known when new. Under lock. */
struct sim_disk *sim_disk_of(struct os_sim *s, const char *path);
/* Under lock; NULL when there is nothing. */
struct sim_node *sim_lookup(struct os_sim *s, const char *path);
/* Frees every handle. Under lock. */
void sim_handles_free(struct os_sim *s);
uint64_t sim_handles_count(const struct os_sim *s);

/* sim_gate.c: admission, steps and paths. All under lock. */
struct os_file {
    struct os_file *next, **link; /* of all handles */
    struct sim_node *node;
    uint64_t generation;
    unsigned flags;
    char path[];
};

enum sim_kind { SIM_READ, SIM_CHANGE, SIM_SYNC };
/* May this kind of call go to that disk, or that file? */
enum rc sim_admit(struct os_sim *s, const struct sim_disk *d, enum sim_kind kind, const char *path, struct err *e);
enum rc sim_admit_file(struct os_sim *s, const struct os_file *f, enum sim_kind kind, struct err *e);
/* Counts a change that was made, as a step; it is the caller that may not live to hear of it. */
enum rc sim_changed(struct os_sim *s, const char *path, struct err *e);
/* Counts the step, and lets the disk's state decide whether the sync does something: RC_END when it only says so. */
enum rc sim_sync_verdict(struct os_sim *s, const struct sim_disk *d, const char *path, struct err *e);

/* A path taken apart: the folder that holds the last name, and that name. node is what it names, or NULL. */
struct sim_place {
    struct sim_node *dir;
    struct view name;
    struct sim_node *node;
};

/* Admits the call and finds what is there, if anything. */
enum rc sim_reach(struct os_sim *s, const char *path, enum sim_kind kind, struct sim_place *ret, struct err *e);
enum rc sim_reach_existing(struct os_sim *s, const char *path, enum sim_kind kind, struct sim_place *ret,
                           struct err *e);
/* A mount point is there whatever was synced. */
void sim_set_entry(struct os_sim *s, struct sim_node *dir, struct view name, struct sim_node *node);
enum rc sim_add_node(struct os_sim *s, const struct sim_place *at, const char *path, bool is_dir, struct err *e);
enum rc sim_no_room(struct err *e, const char *path);
enum rc sim_not_found(struct err *e, const char *path);

#endif
