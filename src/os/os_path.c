/* Paths that stay right whatever the working directory is later. */
#include "os/os.h"

#include <unistd.h>

bool os_absolute(const char *path, char *dst)
{
    char cwd[OS_PATH_MAX];
    struct view v = view_cstr(path);

    if (v.n > 0 && v.p[0] == '/')
        return view_copy(v, dst, OS_PATH_MAX);
    while (view_starts(v, VIEW("./")))
        v = view_sub(v, 2, v.n);
    if (!getcwd(cwd, sizeof cwd))
        return false;
    if (v.n == 0 || view_eqs(v, "."))
        return view_copy(view_cstr(cwd), dst, OS_PATH_MAX);
    return os_path(dst, cwd, v.p);
}
