/* Holdfast: the keystore's file, apart from where it is kept.
 *
 * The file is one image, twice: a damaged byte in either half leaves the other. All numbers little-endian:
 *   0 magic "HFK1" | 4 u32 format=1 | 8 u64 epoch | 16 u64 generation | 24 u64 payload size | 32 payload
 *   then XXH3-128 of everything before it
 * The payload is TLV: tag 1 repeats, each an entry of tag 1 access key and tag 2 secret.
 * Of two valid images the one with the greater (epoch, generation) is newer; epoch is the disk set's at opening. */
#ifndef HF_ACCOUNT_KEYSTORE_PRIV_H
#define HF_ACCOUNT_KEYSTORE_PRIV_H

#include "account/account_priv.h"

#define KEYSTORE_KEYS_MAX 100000
#define KEYSTORE_FILE_MAX (64u << 20)

struct key_entry {
    char access_key[ACCESS_KEY_MAX + 1];
    char secret[SECRET_KEY_MAX + 1];
};
struct key_image {
    uint64_t epoch, generation;
    struct key_entry *entry; /* sorted by access key; owned */
    size_t n;
};
/* Wipes the secrets. */
void key_image_free(struct key_image *m);
/* Index of the key, or where it would be inserted. */
bool key_image_find(const struct key_image *m, const char *access_key, size_t *ret_at);
enum rc key_image_copy(const struct key_image *from, size_t room_for, struct key_image *ret) HF_MUST_USE;
/* Both halves. */
enum rc key_image_encode(const struct key_image *m, struct buf *out) HF_MUST_USE;
/* The newest valid half; *ret_whole: both are valid and equal. RC_CORRUPT when neither is valid. */
enum rc key_image_decode(struct view file, struct key_image *ret, bool *ret_whole) HF_MUST_USE;
/* <0, 0, >0: a is older, as new, newer than b. */
int key_image_age(const struct key_image *a, const struct key_image *b);
/* Frees b after overwriting what it held. */
void wipe_buf(struct buf *b);

#endif
