/* Holdfast: what the files of os/ share. */
#ifndef HF_OS_OS_PRIV_H
#define HF_OS_OS_PRIV_H

#include "os/os.h"

extern const struct clock os_kernel_clock;

#endif
