/* message_memory: which messages this worker has had inspected, so that one
   read by three programs every morning costs once. A fixed table of hashes:
   forgetting is harmless, the writer does not file twice. */
#ifndef POSTERN_POSTERND_MESSAGE_MEMORY_H
#define POSTERN_POSTERND_MESSAGE_MEMORY_H

#include "lib/span.h"

struct message_memory;

/* slots: how many are remembered, 8 bytes each; rounded up to a power of 2. */
struct message_memory *message_memory_create(size_t slots);
void message_memory_destroy(struct message_memory **memory);

/* Hash of what names a message; keyed by a secret of this process, so that
   nobody can choose keys that meet. Never 0. */
uint64_t message_memory_key(const struct message_memory *memory,
			    struct span mailbox, struct span folder,
			    uint32_t uidvalidity, uint32_t uid);

bool message_memory_has(const struct message_memory *memory, uint64_t key);
void message_memory_add(struct message_memory *memory, uint64_t key);

#endif
