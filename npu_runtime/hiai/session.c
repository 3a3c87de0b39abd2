#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "messages.h"
#include "model.h"

enum { MOST_WHY = 512 };

/* No policy file is larger: npu_runtime/policy_file.py. */
#define MOST_MODEL_BYTES (16u << 20)

struct session {
    int link;
    const char *build_path;
    struct library library;
    struct wanted wanted;
    uint32_t sequence; /* that of the LOAD under way */
    uint32_t part;     /* which part is being received; `wanted.parts` once all are there */
    uint32_t received; /* bytes of this part */
    bool is_wanted, is_loaded;
    struct model model;
    struct packet in, out;
    char why[MOST_WHY];
};

static bool refuse(struct session *session, uint32_t sequence, const char *why)
{
    fprintf(stderr, "ilgov_hiai_server: refused: %s\n", why);
    return send_text(session->link, FAILED, sequence, why, 0);
}

/* --- a model ---------------------------------------------------------------------------------------- */

static void forget_model(struct session *session)
{
    model_unload(&session->model);
    for (int i = 0; i < MOST_PARTS; i++)
        free(session->wanted.bytes[i]);
    memset(&session->wanted, 0, sizeof session->wanted);
    session->is_wanted = session->is_loaded = false;
}

static bool fits_a_packet(uint32_t rows, uint32_t columns)
{
    return rows >= 1 && columns >= 1 && (uint64_t)rows * columns <= MOST_PAYLOAD / sizeof(float);
}

/* It goes to the vendor's library and into the log. */
static bool is_name(const struct load *load)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strnlen(load->name, sizeof load->name);
    return 0 < length && length < sizeof load->name && strspn(load->name, allowed) == length;
}

static const char *problem_of(const struct load *load)
{
    if (!is_name(load))
        return "name must have 1 to 63 letters, digits, dots, dashes or underscores";
    if (!fits_a_packet(load->batch, load->inputs) || !fits_a_packet(load->batch, load->outputs))
        return "batch, inputs and outputs must be 1 or more, and rows fit into a message";
    if (load->parts < 1 || load->parts > MOST_PARTS)
        return "parts must be 1 (compiled) or 2 (prototxt, caffemodel)";
    for (uint32_t i = 0; i < load->parts; i++)
        if (load->size[i] < 1 || load->size[i] > MOST_MODEL_BYTES)
            return "each part must have 1 byte to 16 MiB";
    return NULL;
}

static bool begin_load(struct session *session)
{
    struct load load;
    uint32_t sequence = session->in.header.sequence;
    if (session->in.payload_size != sizeof load)
        return refuse(session, sequence, "LOAD must have its size");
    if (session->is_wanted)
        return refuse(session, sequence, "a client must load one model only; connect again");
    memcpy(&load, session->in.payload, sizeof load);
    const char *problem = problem_of(&load);
    if (problem != NULL)
        return refuse(session, sequence, problem);
    struct wanted *wanted = &session->wanted;
    memcpy(wanted->name, load.name, sizeof wanted->name);
    wanted->batch = load.batch;
    wanted->inputs = load.inputs;
    wanted->outputs = load.outputs;
    wanted->parts = load.parts;
    session->is_wanted = true;
    session->sequence = sequence;
    session->part = session->received = 0;
    for (uint32_t i = 0; i < load.parts; i++) {
        wanted->size[i] = load.size[i];
        wanted->bytes[i] = malloc(load.size[i]);
        if (wanted->bytes[i] == NULL) {
            forget_model(session);
            return refuse(session, sequence, "there must be memory for the model");
        }
    }
    return true;
}

static bool finish_load(struct session *session)
{
    session->is_loaded = model_load(&session->model, &session->library, &session->wanted,
                                    session->build_path, session->why, sizeof session->why);
    if (!session->is_loaded) {
        forget_model(session);
        return refuse(session, session->sequence, session->why);
    }
    fprintf(stderr, "ilgov_hiai_server: loaded %s, (%u,%u) to (%u,%u)\n", session->wanted.name,
            session->wanted.batch, session->wanted.inputs, session->wanted.batch,
            session->wanted.outputs);
    return send_text(session->link, ANSWER, session->sequence, "", 0);
}

static bool add_part(struct session *session)
{
    const struct header *header = &session->in.header;
    struct wanted *wanted = &session->wanted;
    size_t size = session->in.payload_size;
    if (!session->is_wanted || session->is_loaded || header->sequence != session->sequence)
        return refuse(session, header->sequence, "PART must follow the LOAD that it belongs to");
    if (size == 0 || header->rows != session->part || header->columns != session->received ||
        size > wanted->size[session->part] - session->received) {
        forget_model(session);
        return refuse(session, header->sequence, "parts must come in order, and in their size");
    }
    memcpy(wanted->bytes[session->part] + session->received, session->in.payload, size);
    session->received += (uint32_t)size;
    if (session->received < wanted->size[session->part])
        return true;
    session->received = 0;
    session->part++;
    return session->part < wanted->parts || finish_load(session);
}

/* --- rows ------------------------------------------------------------------------------------------- */

static bool answer(struct session *session)
{
    const struct header *header = &session->in.header;
    const struct wanted *wanted = &session->wanted;
    if (!session->is_loaded)
        return refuse(session, header->sequence, "a model must be loaded before it is asked");
    if (header->rows != wanted->batch || header->columns != wanted->inputs ||
        session->in.payload_size != sizeof(float) * wanted->batch * wanted->inputs)
        return refuse(session, header->sequence, "rows must have the shape of the model's input");
    struct packet *out = &session->out;
    if (!model_run(&session->model, session->in.payload, out->payload, session->why,
                   sizeof session->why))
        return refuse(session, header->sequence, session->why);
    out->header = *header;
    out->header.kind = ANSWER;
    out->header.columns = wanted->outputs;
    out->payload_size = sizeof(float) * wanted->batch * wanted->outputs;
    return send_packet(session->link, out);
}

/* --- the client ------------------------------------------------------------------------------------- */

static bool greet(struct session *session)
{
    char text[128];
    snprintf(text, sizeof text, "{\"version\":\"%s\",\"builds\":%s}", session->library.version,
             session->library.builds ? "true" : "false");
    return send_text(session->link, HELLO, 0, text, 0);
}

static bool handle(struct session *session)
{
    switch (session->in.header.kind) {
    case LOAD:
        return begin_load(session);
    case PART:
        return add_part(session);
    default:
        return answer(session);
    }
}

static void converse(struct session *session)
{
    bool goes_on = greet(session);
    while (goes_on) {
        enum received received = receive(session->link, &session->in);
        if (received == RECEIVED)
            goes_on = handle(session);
        else if (received == UNSOUND)
            goes_on = refuse(session, 0, "a message must be whole, and of a known kind");
        else
            goes_on = false;
    }
}

void serve(int link, const char *library_path, const char *build_path)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return;
    session->link = link;
    session->build_path = build_path;
    if (library_open(&session->library, library_path, session->why, sizeof session->why)) {
        converse(session);
        forget_model(session);
    } else {
        refuse(session, 0, session->why);
    }
    free(session);
}
