#include "messages.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static const char MAGIC[4] = {'i', 'l', 'g', '1'};

static bool is_from_a_client(const struct header *header)
{
    return memcmp(header->magic, MAGIC, sizeof MAGIC) == 0 &&
           (header->kind == REQUEST || header->kind == LOAD || header->kind == PART);
}

enum received receive(int link, struct packet *packet)
{
    struct iovec places[] = {{&packet->header, sizeof packet->header},
                             {packet->payload, sizeof packet->payload}};
    struct msghdr message = {.msg_iov = places, .msg_iovlen = 2};
    memset(&packet->header, 0, sizeof packet->header);
    ssize_t size;
    do
        size = recvmsg(link, &message, 0);
    while (size < 0 && errno == EINTR);
    if (size <= 0)
        return GONE;
    if ((size_t)size < sizeof packet->header || (message.msg_flags & MSG_TRUNC) ||
        !is_from_a_client(&packet->header))
        return UNSOUND;
    packet->payload_size = (size_t)size - sizeof packet->header;
    return RECEIVED;
}

static bool send_parts(int link, const struct header *header, const void *payload, size_t size,
                       int flags)
{
    struct iovec parts[] = {{(void *)header, sizeof *header}, {(void *)payload, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;
    do
        sent = sendmsg(link, &message, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

bool send_packet(int link, const struct packet *packet)
{
    return send_parts(link, &packet->header, packet->payload, packet->payload_size, 0);
}

bool send_text(int link, enum kind kind, uint32_t sequence, const char *text, int flags)
{
    struct header header = {.kind = kind, .sequence = sequence};
    memcpy(header.magic, MAGIC, sizeof MAGIC);
    return send_parts(link, &header, text, strlen(text), flags);
}
