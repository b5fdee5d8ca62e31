/* Holdfast: the two small files behind struct diskset: a disk's identity and the data folder's witness. */
#ifndef HF_JOURNAL_DISKSET_PRIV_H
#define HF_JOURNAL_DISKSET_PRIV_H

#include "journal/diskset.h"

#define UUID_SIZE 16
#define DISK_PATH_MAX (OS_PATH_MAX / 4)

struct identity {
    uint8_t store[UUID_SIZE], disk[UUID_SIZE];
    unsigned slot;
    unsigned copies; /* that the store keeps: for the day when the data folder is lost */
};
/* RC_NOT_FOUND: no such file (or directory). RC_CORRUPT: neither half holds. *ret_damaged: one half does not, or the
 * file has another size: write it again. */
enum rc identity_read(struct os *os, const char *disk_path, struct identity *ret, bool *ret_damaged,
                      struct err *e) HF_MUST_USE;
enum rc identity_write(struct os *os, const char *disk_path, const struct identity *id, struct err *e) HF_MUST_USE;

/* Fills store, copies, epoch, acked, marks and disks. RC_NOT_FOUND, RC_CORRUPT: d is unchanged. */
enum rc witness_read(struct diskset *d, struct err *e) HF_MUST_USE;

/* Without trailing slashes; RC_LIMIT when it is too long. */
enum rc path_normal(const char *path, char dst[DISK_PATH_MAX], struct err *e) HF_MUST_USE;
/* The slot with this path, or d->n. */
unsigned diskset_by_path(const struct diskset *d, const char *path);
unsigned diskset_by_uuid(const struct diskset *d, const uint8_t uuid[UUID_SIZE]);

#endif
