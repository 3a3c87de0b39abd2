/* Find the vendor's library and what is in it. */
#ifndef ILGOV_HIAI_LIBRARY_H
#define ILGOV_HIAI_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "libai_client.h"

enum { MOST_VERSION = 32 };

struct library {
    struct libai_client call;
    char version[MOST_VERSION];
    bool tells_shapes; /* all symbols for it are there */
    bool builds;       /* all symbols for it are there */
};

/* Open the library at a path and check it: false, and `why`, where it or a symbol that is needed is
 * missing, or where its version is none or says that there is no NPU. It is never closed again: threads
 * that it may have started would go on in code that is gone. */
bool library_open(struct library *library, const char *path, char *why, size_t why_size);

#endif
