/* signature: what the lines of a signature block say: name, title, company,
   phones, addresses. Reads a block; does not know whose mail it is in. */
#ifndef POSTERN_FILTERS_SIGNATURE_H
#define POSTERN_FILTERS_SIGNATURE_H

#include "filters/contact.h"
#include "filters/phone.h"
#include "filters/postal_address.h"
#include "filters/signature_block.h"

#define SIGNATURE_EMAILS_MAX  4
#define SIGNATURE_ADDRESS_MAX 8
/* Two people may sign one mail; more are a list. */
#define SIGNATURES_MAX 3

/* A piece of text and the line it stood in; borrows from the lines. */
struct signature_text {
	struct span text;
	unsigned int line;
};

struct signature_phone {
	struct phone_candidate candidate;
	/* An enum phone_kind, or WORD_PHONE_PLAIN when no label says. */
	unsigned int kind;
};

struct signature {
	struct signature_text name;
	struct signature_text title;
	struct signature_text company;
	struct signature_text emails[SIGNATURE_EMAILS_MAX];
	size_t email_count;
	struct signature_phone phones[CONTACT_PHONES_MAX];
	size_t phone_count;
	struct span urls[CONTACT_URLS_MAX];
	size_t url_count;
	struct signature_text address[SIGNATURE_ADDRESS_MAX];
	size_t address_count;
	/* ADDRESS_* bits of all parts together. */
	unsigned int address_parts;
	/* Country the address names (ISO()), or 0 and those it may be in. */
	unsigned int country;
	const char *may_be;
	/* Country the street's language hints at, or 0. */
	unsigned int street_country;
	/* Country the company's legal form speaks for, or 0. */
	unsigned int company_country;
	bool is_marked;
};

struct signatures {
	struct signature items[SIGNATURES_MAX];
	size_t count;
};

/* Read the signers of a block. name and email (may be empty) are its
   writer's, as known from elsewhere. */
void signature_read(const struct signature_block *block, struct span name,
		    struct span email, struct signatures *out);

/* Is there more than a name? */
bool signature_says_something(const struct signature *signature);

#endif
