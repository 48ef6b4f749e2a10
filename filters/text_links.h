/* text_links: mail and web addresses inside a line of text. */
#ifndef POSTERN_FILTERS_TEXT_LINKS_H
#define POSTERN_FILTERS_TEXT_LINKS_H

#include "lib/span.h"

enum text_link_kind {
	TEXT_LINK_EMAIL,
	/* With a scheme or "www.". */
	TEXT_LINK_URL,
	/* Only a host name with dots: may be a web address. */
	TEXT_LINK_HOST,
};

struct text_link {
	enum text_link_kind kind;
	/* Without "mailto:" and final punctuation; borrows from the line. */
	struct span text;
	/* Where it stands, with "mailto:", in the line. */
	size_t start;
	size_t end;
};

/* Find the next link at or after *from and move *from behind it. Return false
   when there is none. */
bool text_link_next(struct span line, size_t *from, struct text_link *link_r);

/* The first mail address of the line, or empty. */
struct span text_link_email(struct span line);

#endif
