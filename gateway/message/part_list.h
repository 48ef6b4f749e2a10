/* part_list: the parts of a message, decoded. Part of message. */
#ifndef POSTERN_MESSAGE_PART_LIST_H
#define POSTERN_MESSAGE_PART_LIST_H

#include "message/arena.h"
#include "message/message.h"

struct part_list {
	/* Where the texts live; borrowed. */
	struct arena *arena;
	struct message_part *items;
	size_t count;
	size_t size;
	/* Decoded so far; MESSAGE_MAX_TEXT is the end. */
	size_t text_bytes;
	/* Lower case, of the whole. */
	struct span media_type;
	/* libetpan found what mime_scan did not: nothing is certain. */
	bool too_many;
};

void part_list_init(struct part_list *list, struct arena *arena);

/* Find the parts of mime, which mime_scan has let pass: the Content- fields of
   the message, an empty line, the body. Return 0 or -1. */
int part_list_read(struct part_list *list, struct span mime,
		   struct error *err_r);
void part_list_finish(struct part_list *list);

#endif
