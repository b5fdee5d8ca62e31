/* Holdfast: the data files that are built into the binary. tools/embed.py writes the C file from share/ at build time.
 * Read-only, lives for ever, any thread. */
#ifndef HF_ACCOUNT_EMBEDDED_H
#define HF_ACCOUNT_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; /* "prices/tencent-cos.yaml", "timetables/aws.yaml", "rates/rates.yaml": folder and file name */
    const char *text; /* ends in a 0 that is not counted */
    size_t size;
};
extern const struct embedded_file embedded_files[];
extern const size_t embedded_count;

#endif
