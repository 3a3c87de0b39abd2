/* Serve one client with one model, until it hangs up. */
#ifndef ILGOV_HIAI_SESSION_H
#define ILGOV_HIAI_SESSION_H

/* Open the library, say hello, load, run. Returns once the client is gone and all is given back; the
 * library's functions may end the process instead, or never return. */
void serve(int link, const char *library_path, const char *build_path);

#endif
