/* imap_section: which part of a message a FETCH item holds (RFC 9051 6.4.5,
   RFC 3516), and what BODYSTRUCTURE says about that part (RFC 9051 7.5.2).
   Pure. */
#ifndef POSTERN_IMAP_SECTION_H
#define POSTERN_IMAP_SECTION_H

#include "imap/imap_value.h"

/* "1.2.1": deeper mail in mail is not content for us. */
#define IMAP_PATH_MAX 32
/* What tells one list of header fields from another. */
#define IMAP_SECTION_NAME_MAX 256

enum imap_section_kind {
	/* The whole message: BODY[], RFC822. */
	IMAP_SECTION_FULL,
	/* BODY[HEADER], RFC822.HEADER. */
	IMAP_SECTION_HEADER,
	/* BODY[HEADER.FIELDS (...)], and NOT. */
	IMAP_SECTION_FIELDS,
	/* BODY[TEXT], RFC822.TEXT. */
	IMAP_SECTION_TEXT,
	/* BODY[1.2], BINARY[1.2]: path is set. */
	IMAP_SECTION_PART,
	/* BODY[1.2.MIME]: path is set. */
	IMAP_SECTION_MIME,
	/* Content of mail inside mail and what we do not know. */
	IMAP_SECTION_OTHER,
};

struct imap_section {
	enum imap_section_kind kind;
	char path[IMAP_PATH_MAX];
	/* BINARY: transfer encoding already undone. */
	bool decoded;
	/* BODY[]<100>: a slice that begins there. */
	bool partial;
	uint64_t origin;
	/* Borrows: all of the item's name before "<". */
	struct span name;
};

/* Read the name of a FETCH item. Return false when it holds no content. */
bool imap_section_parse(struct span item, struct imap_section *section_r);

struct imap_part_info {
	/* All borrow; decoded text must be made with imap_value_decode. */
	struct imap_value type;
	struct imap_value subtype;
	struct imap_value params;
	struct imap_value encoding;
};

/* Find a part of a BODYSTRUCTURE or BODY (text between its outer
   parentheses) by path. Return false when it has no such leaf. */
bool imap_structure_part(struct span structure, const char *path,
			 struct imap_part_info *info_r);

/* Is the message one part, not multipart? */
bool imap_structure_is_single(struct span structure);

/* Append "Content-Type: ..." and "Content-Transfer-Encoding: ..." lines for
   the part. */
void imap_part_header(const struct imap_part_info *info, bool decoded,
		      struct strbuf *out);

/* Can the part hold text: text, or mail in mail? */
bool imap_part_is_text(const struct imap_part_info *info);

/* Append the MIME header of a whole multipart message (its boundary). Return
   false when the structure does not name one. */
bool imap_structure_header(struct span structure, struct strbuf *out);

#endif
