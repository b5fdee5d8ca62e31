/* Holdfast: the arithmetic of AWS Signature Version 2, for presigned URLs only: boto3 still makes them unless it is
 * told otherwise. Private to the auth files. */
#ifndef HF_GATEWAY_SIGV2_H
#define HF_GATEWAY_SIGV2_H

#include "gateway/auth.h"

#define SIGV2_SIGNATURE_N 28 /* base64 of a SHA-1 */

/* The string to sign, in scratch. `expires` as it was sent. RC_INVALID: a broken escape in the query, or a line
 * end in an argument that is signed. */
enum rc sigv2_to_sign(const struct auth_request *q, struct view expires, struct arena *scratch,
                      struct view *ret) HF_MUST_USE;

void sigv2_sign(struct view secret, struct view to_sign, char ret_base64[SIGV2_SIGNATURE_N + 1]);

/* Constant time; false for any other length. */
bool sigv2_same(const char base64[SIGV2_SIGNATURE_N + 1], struct view given);

#endif
