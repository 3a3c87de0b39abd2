/* Serve the NPU of a Kirin 970 over a Unix socket: see README.md beside this file.
 *
 * This process opens no vendor code. It takes one client at a time, and starts a process for each,
 * which opens the library, serves, and ends with its client. A call of the library that hangs is
 * ended with it: the client hangs up when it has waited for long enough, and a process that outlives
 * its client is killed. So there is no time-out to choose here, and a second client is always told.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "library.h"
#include "messages.h"
#include "session.h"

#define DEFAULT_SOCKET "/run/ilgov-hiai.sock"
#define DEFAULT_LIBRARY "/vendor/lib64/libai_client.so"

/* How long a process may take, after its client is gone, to give everything back. */
#define GRACE_MS 1000

#define LOG(...) (fprintf(stderr, "ilgov_hiai_server: " __VA_ARGS__), fputc('\n', stderr))

struct options {
    const char *socket, *library, *build_path;
    bool only_checks;
};

static volatile sig_atomic_t is_ending;

static void on_signal(int number)
{
    if (number != SIGCHLD)
        is_ending = 1;
}

/* --- the command line ------------------------------------------------------------------------------- */

static const char USAGE[] =
    "usage: ilgov_hiai_server [--socket PATH] [--library PATH] [--build PATH] [--check]\n"
    "  --socket PATH   where clients connect; @NAME is an abstract name (default " DEFAULT_SOCKET ")\n"
    "  --library PATH  the vendor's library (default " DEFAULT_LIBRARY ")\n"
    "  --build PATH    where a Caffe model compiled here is written (default: beside the socket)\n"
    "  --check         open the library, say what it is, and end: 0 where it can be used, else 1\n";

static bool read_options(int count, char **words, struct options *options)
{
    for (int i = 1; i < count; i++) {
        const char **place = strcmp(words[i], "--socket") == 0    ? &options->socket
                             : strcmp(words[i], "--library") == 0 ? &options->library
                             : strcmp(words[i], "--build") == 0   ? &options->build_path
                                                                  : NULL;
        if (strcmp(words[i], "--check") == 0)
            options->only_checks = true;
        else if (place == NULL || i + 1 == count)
            return false;
        else
            *place = words[++i];
    }
    return true;
}

static int check(const char *path)
{
    struct library library;
    char why[512];
    if (!library_open(&library, path, why, sizeof why)) {
        LOG("%s", why);
        return 1;
    }
    printf("%s: version %s, %s its shapes, %s Caffe models\n", path, library.version,
           library.tells_shapes ? "tells" : "does not tell",
           library.builds ? "compiles" : "does not compile");
    fflush(stdout);
    return 0;
}

/* --- the socket ------------------------------------------------------------------------------------- */

static socklen_t address_of(const char *path, struct sockaddr_un *address)
{
    size_t length = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (length == 0 || length >= sizeof address->sun_path)
        return 0;
    memcpy(address->sun_path, path, length);
    if (path[0] == '@')
        address->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '@'));
}

/* Remove a socket that a dead server left; false where somebody answers, or where it is no socket. */
static bool make_room(const char *path, const struct sockaddr_un *address, socklen_t size)
{
    struct stat found;
    if (path[0] == '@' || lstat(path, &found) != 0)
        return true;
    int link = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool is_left = S_ISSOCK(found.st_mode) && link >= 0 &&
                   connect(link, (const struct sockaddr *)address, size) != 0 &&
                   errno == ECONNREFUSED;
    if (link >= 0)
        close(link);
    return is_left && unlink(path) == 0;
}

static int listening_socket(const char *path)
{
    struct sockaddr_un address;
    socklen_t size = address_of(path, &address);
    if (size == 0) {
        LOG("--socket must have 1 to %zu bytes", sizeof address.sun_path - 1);
        return -1;
    }
    if (!make_room(path, &address, size)) {
        LOG("%s must not be in use by another server or file", path);
        return -1;
    }
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    umask(0177);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 8) != 0) {
        LOG("%s must be a place for a socket: %s; make its folder, or name another", path,
            strerror(errno));
        if (listener >= 0)
            close(listener);
        return -1;
    }
    umask(077);
    return listener;
}

static bool is_welcome(int link)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(link, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

/* --- one client after the other --------------------------------------------------------------------- */

struct server {
    const struct options *options;
    pid_t pid;
    int listener;
    int client;   /* -1 where there is none, or where it has hung up */
    pid_t worker; /* 0 where there is none */
    bool is_killed;
    struct timespec hung_up;
};

static void refuse_client(int link, const char *why)
{
    LOG("refused a client: %s", why);
    send_text(link, FAILED, 0, why, MSG_DONTWAIT);
    close(link);
}

/* The process that serves one client, and never returns. */
static void work(struct server *server, const sigset_t *unblocked)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != server->pid)
        _exit(1);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, unblocked, NULL);
    close(server->listener);
    serve(server->client, server->options->library, server->options->build_path);
    _exit(0); /* all is given back; threads of the library may still run, so nothing is torn down */
}

static void take_client(struct server *server, const sigset_t *unblocked)
{
    int link = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    if (link < 0)
        return;
    if (!is_welcome(link)) {
        refuse_client(link, "a client must be root, or run as the server does");
    } else if (server->worker != 0) {
        refuse_client(link, "the server must be free: another client is connected");
    } else {
        server->client = link;
        server->is_killed = false;
        server->worker = fork();
        if (server->worker == 0)
            work(server, unblocked);
        if (server->worker < 0) {
            server->worker = 0;
            server->client = -1;
            refuse_client(link, "the server must be able to start a process");
        }
    }
}

static void drop_client(struct server *server)
{
    if (server->client >= 0)
        close(server->client);
    server->client = -1;
    clock_gettime(CLOCK_MONOTONIC, &server->hung_up);
}

/* Tell the client, if it is still there, why nobody serves it any more. */
static void bury_worker(struct server *server)
{
    int status;
    if (server->worker == 0 || waitpid(server->worker, &status, WNOHANG) != server->worker)
        return;
    char how[96] = "";
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "the vendor's library ended its process by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        snprintf(how, sizeof how, "the vendor's library ended its process with code %d",
                 WEXITSTATUS(status));
    if (how[0] != 0 && !server->is_killed)
        LOG("%s", how);
    if (how[0] != 0 && server->client >= 0)
        send_text(server->client, FAILED, 0, how, MSG_DONTWAIT);
    drop_client(server);
    server->worker = 0;
}

static long left_ms(const struct server *server)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long passed_ms = (long)(now.tv_sec - server->hung_up.tv_sec) * 1000 +
                     (now.tv_nsec - server->hung_up.tv_nsec) / 1000000;
    return passed_ms < GRACE_MS ? GRACE_MS - passed_ms : 0;
}

/* Wait for what happens next: a client, the end of one, the end of a process, a signal. */
static void wait_for_news(struct server *server, const sigset_t *unblocked)
{
    bool is_clearing = server->worker != 0 && server->client < 0;
    long wait_ms = is_clearing && !server->is_killed ? left_ms(server) : -1;
    struct timespec wait = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    struct pollfd watched[] = {{.fd = is_clearing ? -1 : server->listener, .events = POLLIN},
                               {.fd = server->client, .events = 0}};
    int count = ppoll(watched, 2, wait_ms < 0 ? NULL : &wait, unblocked);
    if (count == 0 && is_clearing && !server->is_killed) {
        LOG("killed the process whose client is gone: it did not end within %d ms", GRACE_MS);
        kill(server->worker, SIGKILL);
        server->is_killed = true;
    }
    if (count > 0 && watched[1].revents != 0)
        drop_client(server); /* who comes after it waits until its process has ended */
    else if (count > 0 && watched[0].revents != 0)
        take_client(server, unblocked);
    bury_worker(server);
}

static void catch_signals(sigset_t *unblocked)
{
    const int numbers[] = {SIGTERM, SIGINT, SIGCHLD};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, unblocked);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigdelset(unblocked, numbers[i]);
}

static int run(const struct options *options)
{
    sigset_t unblocked;
    catch_signals(&unblocked);
    struct server server = {.options = options, .pid = getpid(), .client = -1};
    server.listener = listening_socket(options->socket);
    if (server.listener < 0)
        return 1;
    LOG("listens at %s, for %s", options->socket, options->library);
    while (!is_ending)
        wait_for_news(&server, &unblocked);
    if (server.worker > 0)
        kill(server.worker, SIGKILL);
    if (options->socket[0] != '@')
        unlink(options->socket);
    return 0;
}

int main(int count, char **words)
{
    struct options options = {.socket = DEFAULT_SOCKET, .library = DEFAULT_LIBRARY};
    char build_path[512];
    if (!read_options(count, words, &options)) {
        fputs(USAGE, stderr);
        return 2;
    }
    if (options.only_checks)
        _exit(check(options.library)); /* as after serving */
    if (options.build_path == NULL) {
        const char *stem = options.socket[0] == '@' ? "ilgov-hiai" : options.socket;
        snprintf(build_path, sizeof build_path, "%s.cambricon", stem);
        options.build_path = build_path;
    }
    return run(&options);
}
