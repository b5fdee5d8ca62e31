/* Holdfast: functions that must not be used; given to the compiler with -include, before anything else.
 * Their headers come first because a poisoned name may not even be declared any more. */
#ifndef HF_BASE_BANNED_H
#define HF_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No bounds, no error, or hidden state: use view_copy, snprintf, buf_printf, view_u64, view_find. */
#pragma GCC poison strcpy strcat stpcpy sprintf vsprintf gets atoi atol atoll strtok

#endif
