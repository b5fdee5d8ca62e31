/* Holdfast: wraps another os and fails chosen calls. For tests, and for `serve` only through tests' own binaries. */
#ifndef HF_OS_FAULT_H
#define HF_OS_FAULT_H

#include "os/os.h"

enum os_call {
    OS_CALL_OPEN,
    OS_CALL_READ,
    OS_CALL_WRITE,
    OS_CALL_SYNC,
    OS_CALL_RESERVE,
    OS_CALL_PUNCH,
    OS_CALL_TRUNCATE,
    OS_CALL_STAT,
    OS_CALL_MKDIR,
    OS_CALL_RENAME,
    OS_CALL_UNLINK,
    OS_CALL_SYNC_DIR,
    OS_CALL_LIST,
    OS_CALL_SPACE,
    OS_CALL_COUNT
};

struct os_fault;
enum rc os_fault_new(struct os *below, struct os_fault **ret) HF_MUST_USE;
void os_fault_free(struct os_fault *f);
struct os *os_fault_os(struct os_fault *f);

struct os_fault_plan {
    unsigned calls;          /* bit set of 1u << enum os_call; 0 = every kind */
    const char *path_prefix; /* only paths (or files opened at paths) that start so; NULL = all. Borrowed */
    uint64_t nth;            /* 1-based, among the matching calls from now; 0 = never */
    bool for_ever;           /* this one and every matching one after it, or only this one */
    enum rc rc;              /* what it answers */
    bool short_write;        /* for OS_CALL_WRITE: write the first half before failing */
};
/* Replaces the plan; NULL clears it. Thread-safe. */
void os_fault_set(struct os_fault *f, const struct os_fault_plan *plan);
/* Matching calls seen since os_fault_set. */
uint64_t os_fault_seen(const struct os_fault *f);
/* Calls that were made to fail since os_fault_set. */
uint64_t os_fault_fired(const struct os_fault *f);

#endif
