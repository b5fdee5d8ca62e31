/* Holdfast: a file system in memory that forgets what was not synced. For tests only, but built beside the seam it
 * models.
 *
 * Model (invariants M1-M6; tests/unit/test_sim.c):
 *  M1 Before a cut, every call sees everything that was done before it.
 *  M2 datasync makes one file's content and size durable, not its name. sync_dir makes one directory's entries durable,
 *     not what is in the files or directories they name. An entry of "/" is a mount point and durable at once.
 *  M3 A cut with LOSE_ALL leaves exactly what was synced; with LOSE_NONE everything (a kill -9); with LOSE_SOME the
 * seed decides, for each 512-byte sector on its own, between its synced content, what it was in between, and what it
 * was last; and for each file's size between synced and last, or anything between them when it only grew. What was cut
 *     off by an unsynced truncate is whole as long as the old size is.
 *  M4 Creations, renames and unlinks in one directory are lost or kept each on its own, but those of one name in order,
 *     and a rename within a directory whole. A file's rename between directories is two entries, each needing
 *     its sync; folders are not renamed to another one.
 *  M5 After a datasync that failed, the file never becomes durable again until the next cut, whatever later syncs
 * answer. M6 A file with neither a durable name nor an open handle is gone and its space is free. A cut drops all
 * handles: later use of an old one is RC_IO, only closing it is good. Disks are the top-level directories: each can be
 * made full, read-only, dead (RC_IO for everything) or absent (RC_NOT_FOUND for its paths, RC_IO for its open files).
 * Disks have room without end unless told. Paths start at "/" whether written or not; ".." is not known. Thread-safe;
 * one lock. Out of memory ends the process: it is a test. */
#ifndef HF_OS_SIM_H
#define HF_OS_SIM_H

#include "os/os.h"

struct os_sim;
enum rc os_sim_new(uint64_t seed, struct os_sim **ret) HF_MUST_USE;
void os_sim_free(struct os_sim *s);
struct os *os_sim_os(struct os_sim *s);
/* Its clock: real time starts at 2026-11-21T00:00:00Z; it and the monotonic time move only when told. */
void os_sim_clock_add(struct os_sim *s, int64_t ns);

enum os_sim_loss { OS_SIM_LOSE_ALL, OS_SIM_LOSE_SOME, OS_SIM_LOSE_NONE }; /* of what was not synced */
void os_sim_power_cut(struct os_sim *s, enum os_sim_loss loss);

/* Mutating calls and syncs since the last os_sim_crash_at or os_sim_power_cut: the points at which a crash can come. */
uint64_t os_sim_steps(const struct os_sim *s);
/* At step n (1-based, counted from now) the call fails with RC_IO and so does everything after it, as a process that is
 * dead: then os_sim_power_cut and start again. 0 = never. What that call should do was done, unsynced, so the cut
 * decides how much of it is left; if it was a sync, it did nothing. */
void os_sim_crash_at(struct os_sim *s, uint64_t n);

enum os_sim_disk {
    OS_SIM_DISK_OK,
    OS_SIM_DISK_DEAD,
    OS_SIM_DISK_FULL,
    OS_SIM_DISK_READ_ONLY,
    OS_SIM_DISK_ABSENT,
    OS_SIM_DISK_SYNC_FAILS,
    OS_SIM_DISK_SYNC_LIES
};
/* `top` is the first path component, such as "/disk1". */
void os_sim_disk_set(struct os_sim *s, const char *top, enum os_sim_disk state);
/* Room for so many bytes on that disk, in pages of 4096; what is there already counts. */
void os_sim_capacity(struct os_sim *s, const char *top, uint64_t bytes);
/* Files that were opened and not closed, of before a cut too. */
uint64_t os_sim_open_files(struct os_sim *s);
/* Flips one bit of the durable and the visible image. RC_NOT_FOUND or RC_END when there is no such byte. */
enum rc os_sim_flip(struct os_sim *s, const char *path, uint64_t off, unsigned bit) HF_MUST_USE;
/* Calls fn with each file's path and size, in path order. */
void os_sim_each(struct os_sim *s, void (*fn)(void *ctx, const char *path, uint64_t size), void *ctx);

#endif
