/* What the server and its client tell each other: npu_runtime/isolation_messages.py, in C.
 *
 * A message is a packet of a SOCK_SEQPACKET socket: this header, then float32 numbers, text, or bytes
 * of a model. Every LOAD and every REQUEST is answered by one ANSWER of its sequence, or by FAILED.
 */
#ifndef ILGOV_HIAI_MESSAGES_H
#define ILGOV_HIAI_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "messages are little-endian, and so must be the machine"
#endif

enum kind {
    HELLO = 1,   /* to the client, first: {"version": ..., "builds": ...} */
    REQUEST = 2, /* to the server: rows x columns numbers */
    ANSWER = 3,  /* to the client: rows x columns numbers; none once a model is loaded */
    FAILED = 4,  /* to the client: text, why not; the server goes on */
    LOAD = 5,    /* to the server: a struct load; the parts follow */
    PART = 6,    /* to the server: bytes of part `rows` from offset `columns` on, in order */
};

struct header {
    char magic[4]; /* "ilg1" */
    uint32_t kind, sequence, rows, columns;
};

struct load {
    uint32_t batch, inputs, outputs, parts, size[2];
    char name[64]; /* ends with a zero byte, or zero bytes */
};

enum { MOST_PAYLOAD = 64 << 10, MOST_PACKET = (int)sizeof(struct header) + MOST_PAYLOAD };

struct packet {
    struct header header;
    unsigned char payload[MOST_PAYLOAD];
    size_t payload_size;
};

enum received { RECEIVED, UNSOUND, GONE };

/* The next packet; UNSOUND for what is too short, too long, or of no kind that a client sends. */
enum received receive(int link, struct packet *packet);

/* Send a packet; false where the client is gone. */
bool send_packet(int link, const struct packet *packet);

/* Send a HELLO or FAILED; `flags` as for send(2). */
bool send_text(int link, enum kind kind, uint32_t sequence, const char *text, int flags);

#endif
